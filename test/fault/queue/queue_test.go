package queue

import (
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// items of one run: what is usual takes about a minute; FAULT_ITEMS, 100000 where nothing is said, makes it more or less.
func items(t *testing.T, usual int) int {
	t.Helper()
	if testing.Short() {
		usual /= 10
	}
	text := os.Getenv("FAULT_ITEMS")
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, "FAULT_ITEMS")
	return max(1, n*usual/100_000)
}

func TestEachItemHasOneOutput(t *testing.T) {
	tests := []struct {
		name string
		plan Plan
	}{
		{
			name: "with its own file, when servers and workers are killed, the power fails and the disk is full",
			plan: Plan{
				Items: items(t, 100_000), Events: []Event{KillServer, KillServer, KillWorker, CutPower, CutPower, FillDisk},
				Every: 700 * time.Millisecond, Step: time.Hour, Seed: 1, Within: 20 * time.Minute,
			},
		},
		{
			name: "with PostgreSQL, when the database and one of two servers are killed and the power fails",
			plan: Plan{
				Items: items(t, 100_000), Postgres: true, Servers: 2,
				Events: []Event{KillServer, KillServer, KillWorker, KillDatabase, CutPower},
				Every:  2 * time.Second, Step: time.Second, Seed: 2, Within: 20 * time.Minute,
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			report, err := Run(t, tt.plan)
			t.Log(report)
			require.NoError(t, err)
			require.NoError(t, report.Err())
			assert.Positive(t, report.ProcessEffects)
			if report.Took > 3*tt.plan.Every*time.Duration(len(tt.plan.Events)) {
				for _, event := range tt.plan.Events {
					assert.Positive(t, report.Events[event], event)
				}
			}
		})
	}
}

// A harness that cannot fail proves nothing.
func TestSabotageIsFound(t *testing.T) {
	const rounds = 5
	// What was answered and is gone: an item, or its end, so that it is worked on and taken a second time. Which of these shows, and
	// whether counts that are wrong show first, is chance.
	const lost = `[1-9]\d* (items lost|twice|strange)|the file is damaged|database disk image is malformed`
	tests := []struct {
		name string
		plan Plan
		want string
	}{
		{
			name: "its own file, whose commits do not wait for the disk",
			plan: Plan{Sabotage: "nofsync", Items: 20_000, Events: []Event{CutPower}, Every: 400 * time.Millisecond, Within: 3 * time.Minute},
			want: lost,
		},
		{
			name: "its own file, where any lease is good",
			plan: Plan{Sabotage: "nolease", Items: 20_000, Within: 3 * time.Minute},
			want: "has the outputs",
		},
		{
			name: "PostgreSQL, which answers commits before they are in its log",
			plan: Plan{
				Sabotage: "nofsync", Items: 20_000, Postgres: true, Servers: 2, Events: []Event{KillDatabase, CutPower},
				Every: time.Second, Within: 3 * time.Minute,
			},
			want: lost,
		},
		{
			name: "PostgreSQL, where any lease is good",
			plan: Plan{Sabotage: "nolease", Items: 20_000, Postgres: true, Servers: 2, Within: 3 * time.Minute},
			want: "has the outputs",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.plan.Every = max(tt.plan.Every, 100*time.Millisecond)
			for round := range int64(rounds) {
				tt.plan.Seed = round
				report, err := Run(t, tt.plan)
				if err == nil {
					err = report.Err()
				}
				if err != nil {
					t.Logf("round %d, %s: %.600v", round, report, err)
					assert.Regexp(t, tt.want, err.Error())
					return
				}
			}
			t.Errorf("not found in %d rounds", rounds)
		})
	}
}
