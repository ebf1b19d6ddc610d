package source

import (
	"context"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/config"
)

func at(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return t
}

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		name, cron, zone, from, to, last, next string
	}{
		{"every hour", "0 * * * *", "", "2026-03-01T10:30:00Z", "2026-03-01T12:30:00Z", "2026-03-01T12:00:00Z", "2026-03-01T13:00:00Z"},
		{"the end counts, the beginning does not", "0 * * * *", "", "2026-03-01T11:00:00Z", "2026-03-01T12:00:00Z", "2026-03-01T12:00:00Z", "2026-03-01T13:00:00Z"},
		{"nothing since", "0 * * * *", "", "2026-03-01T12:00:00Z", "2026-03-01T12:59:59Z", "", "2026-03-01T13:00:00Z"},
		{"years ago", "0 0 29 2 *", "", "2020-01-01T00:00:00Z", "2027-03-01T00:00:00Z", "2024-02-29T00:00:00Z", "2028-02-29T00:00:00Z"},
		{"in a time zone", "30 7 * * *", "Europe/Berlin", "2026-07-01T00:00:00Z", "2026-07-01T12:00:00Z", "2026-07-01T05:30:00Z", "2026-07-02T05:30:00Z"},
		{"every 90 seconds, from 1970 on", "@every 90s", "", "2026-03-01T12:00:00Z", "2026-03-01T12:10:00Z", "2026-03-01T12:09:00Z", "2026-03-01T12:10:30Z"},
		{"a descriptor", "@daily", "America/New_York", "2026-03-01T00:00:00Z", "2026-03-02T06:00:00Z", "2026-03-02T05:00:00Z", "2026-03-03T05:00:00Z"},
		{"an hour that a change of time leaves out", "30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-29T12:00:00Z", "", "2026-03-30T00:30:00Z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := ParseSchedule(c.cron, c.zone)
			require.NoError(t, err)
			if last := s.Last(at(c.from), at(c.to)); c.last == "" {
				assert.Zero(t, last)
			} else {
				assert.Equal(t, c.last, last.UTC().Format(time.RFC3339))
			}
			assert.Equal(t, c.next, s.Next(at(c.to)).UTC().Format(time.RFC3339))
		})
	}
}

func TestSchedulesThatAreNoneAreRefused(t *testing.T) {
	for _, c := range []struct{ cron, zone, want string }{
		{"* * *", "", `cron "* * *"`},
		{"61 * * * *", "", "above maximum"},
		{"0 0 31 2 *", "", "it is never time"},
		{"0 * * * *", "Mars/Olympus", `time_zone "Mars/Olympus"`},
		{"TZ=UTC 0 * * * *", "", "write the time zone as time_zone"},
	} {
		_, err := ParseSchedule(c.cron, c.zone)
		assert.ErrorContains(t, err, c.want)
	}
}

// due looks at the clock once, as a server does that begins anew.
func (q *queue) due(c *config.Config) {
	q.Helper()
	r := q.server(c)
	for _, f := range feeds(c) {
		rule, err := ParseSchedule(f.schedule.Cron, f.schedule.TimeZone)
		require.NoError(q, err)
		_, err = r.due(ctx, f, rule)
		require.NoError(q, err)
	}
}

func TestEachTickIsOneItem(t *testing.T) {
	q := newQueue(t)
	c := pipeline(config.Input{Schedule: []config.Schedule{{Name: "report", Cron: "*/10 * * * *", Data: "go"}}})
	names := func() []string { return slices.Sorted(maps.Keys(q.items("a"))) }
	q.due(c)
	assert.Empty(t, names(), "it begins now, not in the past")
	q.now = at("2026-03-01T12:10:00Z")
	q.due(c)
	q.due(c) // another server, or this one again
	assert.Equal(t, []string{"report/2026-03-01T12:10:00Z"}, names())
	item, err := q.Get(ctx, "a", "report/2026-03-01T12:10:00Z")
	require.NoError(t, err)
	assert.Equal(t, "go", string(item.Payload.Data))

	q.now = at("2026-03-01T18:03:00Z")
	q.due(c)
	assert.Equal(t, []string{"report/2026-03-01T12:10:00Z", "report/2026-03-01T18:00:00Z"}, names(), "of what was missed the last is made up for")

	q.finish("a")
	for _, clock := range []string{"2026-03-01T17:30:00Z", "2026-03-01T17:50:01Z", "2026-03-01T18:09:59Z"} {
		q.now = at(clock)
		q.due(c)
		assert.Empty(t, names(), "a clock that was set back, at %s", clock)
	}
	q.now = at("2026-03-01T18:10:00Z")
	q.due(c)
	assert.Equal(t, []string{"report/2026-03-01T18:10:00Z"}, names())

	q.now = at("2031-01-01T00:00:01Z")
	q.due(c)
	q.now = at("2026-03-01T18:15:00Z")
	q.due(c)
	q.now = at("2026-03-01T18:20:00Z")
	q.due(c)
	assert.Equal(t, []string{"report/2026-03-01T18:10:00Z", "report/2026-03-01T18:20:00Z", "report/2031-01-01T00:00:00Z"}, names(),
		"a clock that was years ahead stops nothing")
	assert.False(t, q.status(q.server(c)).Finite)
	assert.EqualValues(t, 5, q.status(q.server(c)).Items)
}

func TestAScheduleThatIsChangedBeginsAnew(t *testing.T) {
	q := newQueue(t)
	q.due(pipeline(config.Input{Schedule: []config.Schedule{{Name: "report", Cron: "0 2 * * *"}}}))
	q.now = at("2026-03-01T13:00:00Z")
	q.due(pipeline(config.Input{Schedule: []config.Schedule{{Name: "report", Cron: "30 12 * * *"}}}))
	assert.Empty(t, q.items("a"), "its ticks before the change were nobody's")
}

func TestAnEndBetweenItemAndMarkMakesNoSecondItem(t *testing.T) {
	q := newQueue(t)
	c := pipeline(config.Input{Schedule: []config.Schedule{{Name: "report", Cron: "@every 1m"}}})
	q.due(c)
	q.now = at("2026-03-01T12:01:30Z")
	q.left = 1
	r := q.server(c)
	rule, err := ParseSchedule("@every 1m", "")
	require.NoError(t, err)
	_, err = r.due(ctx, feeds(c)[0], rule)
	require.ErrorIs(t, err, errEnded)
	q.left = -1
	q.now = at("2026-03-01T12:01:40Z")
	q.due(c)
	assert.Len(t, q.items("a"), 1)
}

func TestItWakesInTime(t *testing.T) {
	q := newQueue(t)
	c := pipeline(config.Input{Schedule: []config.Schedule{{Name: "report", Cron: "* * * * *"}}})
	r := q.server(c)
	waits, pauses := make(chan time.Duration), make(chan time.Time)
	r.after = func(d time.Duration) <-chan time.Time { waits <- d; return pauses }
	running, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() { r.Run(running); close(ended) }()
	assert.Equal(t, lookAtClock, <-waits, "the clock may be set at any time")
	q.now = at("2026-03-01T12:00:57Z")
	pauses <- time.Time{}
	assert.Equal(t, 3*time.Second, <-waits)
	q.now = at("2026-03-01T12:01:00Z")
	pauses <- time.Time{}
	assert.Equal(t, lookAtClock, <-waits)
	assert.Len(t, q.items("a"), 1)
	stop()
	<-ended
}
