package health

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestChecksTellWhatFailsAndSinceWhen(t *testing.T) {
	var checks Checks
	_, well := checks.Ask(t.Context())
	assert.True(t, well, "nothing that could fail is well")

	broken := errors.New("bucket logs: not found")
	answer := broken
	checks.Add("sink", func(context.Context) error { return answer })
	checks.Add("disk", func(context.Context) error { return nil })
	results, well := checks.Ask(t.Context())
	assert.False(t, well)
	require.Len(t, results, 2)
	assert.Equal(t, Result{Name: "disk", OK: true}, results[0])
	assert.Equal(t, "bucket logs: not found", results[1].Reason)
	first := results[1].Since

	results, _ = checks.Ask(t.Context())
	assert.Equal(t, first, results[1].Since, "it has failed since then")
	answer = nil
	results, well = checks.Ask(t.Context())
	assert.True(t, well)
	assert.Nil(t, results[1].Since)
}

func TestACheckThatHangsIsAReasonAndIsNotStartedTwice(t *testing.T) {
	var checks Checks
	release := make(chan struct{})
	started := make(chan struct{}, 10)
	checks.Add("slow", func(context.Context) error {
		started <- struct{}{}
		<-release
		return nil
	})
	results, well := checks.Ask(t.Context())
	assert.False(t, well)
	assert.Contains(t, results[0].Reason, "no answer within")
	results, _ = checks.Ask(t.Context())
	assert.Contains(t, results[0].Reason, "has not answered yet")
	assert.Len(t, started, 1)
	close(release)
	assert.Eventually(t, func() bool { _, well := checks.Ask(context.Background()); return well }, 5e9, 1e6)
}

func TestACheckThatPanicsIsAReason(t *testing.T) {
	var checks Checks
	checks.Add("wild", func(context.Context) error { panic("index out of range") })
	results, well := checks.Ask(t.Context())
	assert.False(t, well)
	assert.Equal(t, "the check panicked: index out of range", results[0].Reason)
}
