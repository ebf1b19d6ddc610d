package elector

import (
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/config"
)

// quick lease, so that there are many leaders: three quarters of it are counted on, as by default.
var quick = config.Lease{Duration: config.Duration(800 * time.Millisecond), RenewDeadline: config.Duration(600 * time.Millisecond), RetryPeriod: config.Duration(100 * time.Millisecond)}

// skew of clocks: from 0.9 to 1.1 times the true rate, of which the quotient is less than that of the lease's two durations.
const skew = 0.1

// seed is another one each time, unless FAULT_SEED says which.
func seed(t *testing.T) uint64 {
	t.Helper()
	n := uint64(time.Now().UnixNano())
	if text := os.Getenv("FAULT_SEED"); text != "" {
		var err error
		n, err = strconv.ParseUint(text, 10, 64)
		require.NoError(t, err, "FAULT_SEED")
	}
	t.Log("FAULT_SEED=", n)
	return n
}

// operations of one run; FAULT_OPERATIONS, 100000 where nothing is said, makes it more or less.
func operations(t *testing.T) int {
	t.Helper()
	text := os.Getenv("FAULT_OPERATIONS")
	if text == "" {
		return 100_000
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, "FAULT_OPERATIONS")
	return n
}

// succession is what must hold on every backend, and what must be found there.
func succession(t *testing.T, sites func(testing.TB, int, []string) []Site) {
	binary := compiled(t)
	usual := Plan{Sites: sites, Lease: quick, Skew: skew, Faults: Faults, Resign: 300 * time.Millisecond, Seed: seed(t)}

	t.Run("one leads after the other, and nothing stale is taken", func(t *testing.T) {
		plan := usual
		plan.Operations, plan.Least, plan.Within = operations(t), 45*time.Second, 4*time.Minute
		report := Run(t, binary, plan)
		t.Log(report)
		require.NoError(t, report.Err())
		assert.Zero(t, report.StaleAtTheResource)
		assert.GreaterOrEqual(t, report.Operations, plan.Operations)
		assert.Greater(t, report.Terms, 100)
		assert.Greater(t, report.Refused, 100, "stale writes have come")
		assert.Greater(t, report.Accepted, 1000)
		assert.Greater(t, report.Kinds[Claim], 1000)
		assert.Greater(t, report.Kinds[Verify], 1000)
		assert.Greater(t, report.Kinds[Read], 1000)
		assert.Greater(t, report.Resigned, 5)
		assert.Greater(t, report.HandedOver, 5)
		for _, fault := range Faults {
			assert.GreaterOrEqual(t, report.Faults[fault], 5, fault)
		}
	})
}
