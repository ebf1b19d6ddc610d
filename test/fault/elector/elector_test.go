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

// skew of clocks, which is nearly all that this lease bears: 1.14/0.86 is less than 800/600.
const skew = 0.14

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
func succession(t *testing.T, usual Plan) {
	binary := compiled(t)
	usual.Lease, usual.Skew, usual.Resign, usual.Seed = quick, skew, 300*time.Millisecond, seed(t)

	t.Run("one leads after the other, and nothing stale is taken", func(t *testing.T) {
		plan := usual
		plan.Operations, plan.Least, plan.Within = operations(t), 45*time.Second, 4*time.Minute
		report := Run(t, binary, plan)
		t.Log(report)
		if report.Err() != nil {
			report.Show(t)
		}
		require.NoError(t, report.Err())
		assert.Zero(t, report.TakenAmiss)
		assert.GreaterOrEqual(t, report.Operations, plan.Operations)
		assert.Greater(t, report.Terms, 100)
		assert.Greater(t, report.Refused, 100, "stale writes have come")
		assert.Greater(t, report.Accepted, 1000)
		assert.Greater(t, report.Kinds[Claim], 1000)
		assert.Greater(t, report.Kinds[Verify], 1000)
		assert.Greater(t, report.Kinds[Read], 1000)
		assert.Greater(t, report.Resigned, 5)
		assert.Greater(t, report.HandedOver, 5)
		for _, fault := range usual.Faults {
			assert.GreaterOrEqual(t, report.Faults[fault], 5, fault)
		}
	})

	// A harness that cannot fail proves nothing.
	t.Run("a margin that is taken out is found", func(t *testing.T) {
		plan := usual
		plan.Env, plan.Faults = []string{"MARGIN=none"}, []Fault{Stop, Cut, Hold, HoldAsked}
		plan.Shortest, plan.Leaders, plan.Calm, plan.Resign = quick.Duration.Std(), true, quick.Duration.Std()*3/4, 0
		found(t, binary, plan, func(r Report) bool { return len(r.Overlapping) > 0 })
	})
	t.Run("a token check that is taken out is found", func(t *testing.T) {
		plan := usual
		plan.Unchecked = true
		found(t, binary, plan, func(r Report) bool { return len(r.Stale) > 0 && r.TakenAmiss > 0 })
	})
}

// found within a few rounds.
func found(t *testing.T, binary string, plan Plan, is func(Report) bool) {
	t.Helper()
	const rounds = 12
	plan.Least, plan.Within = 6*time.Second, 10*time.Second
	for round := range rounds {
		report := Run(t, binary, plan)
		t.Logf("round %d: %s: %.600v", round, report, report.Err())
		assert.Empty(t, report.Undecided)
		if is(report) {
			return
		}
		plan.Seed++
	}
	t.Errorf("not found in %d rounds", rounds)
}
