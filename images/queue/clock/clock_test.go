package clock

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A machine's clocks: the wall clock can be stepped, the monotonic one goes on.
type machine struct {
	wall time.Time
	mono time.Duration
}

func (m *machine) pass(d time.Duration) { m.wall, m.mono = m.wall.Add(d), m.mono+d }

func (m *machine) boot() *Clock {
	m.mono = 0
	return with(func() time.Time { return m.wall }, func() time.Duration { return m.mono })
}

type marks struct {
	mu     sync.Mutex
	values map[string]string
	err    error
}

func (m *marks) Mark(context.Context, string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.values[mark], m.err
}

func (m *marks) SetMark(_ context.Context, key, value string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err == nil {
		m.values[key] = value
	}
	return m.err
}

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func TestStepsOfTheWallClockHaveNoEffect(t *testing.T) {
	m := &machine{wall: noon}
	c := m.boot()
	m.pass(time.Minute)
	for _, step := range []time.Duration{time.Hour, -48 * time.Hour, 365 * 24 * time.Hour} {
		m.wall = m.wall.Add(step)
		assert.True(t, c.Now().Equal(noon.Add(time.Minute)), "%s: %s", step, c.Now())
	}
	m.wall = noon
	assert.Equal(t, time.Minute, c.Behind())
}

func TestTimeGoesOnOverRestarts(t *testing.T) {
	for _, tt := range []struct {
		name string
		step time.Duration // of the wall clock while the server is down
		want func(before, wall time.Time) time.Time
	}{
		{"the wall clock's, when that is later", time.Hour, func(_, wall time.Time) time.Time { return wall }},
		{"where it was, when the wall clock was set back", -time.Hour, func(before, _ time.Time) time.Time { return before }},
		{"where it was, when the wall clock was lost", -50 * 365 * 24 * time.Hour, func(before, _ time.Time) time.Time { return before }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, kept := &machine{wall: noon}, &marks{values: map[string]string{}}
			c := m.boot()
			require.NoError(t, c.Restore(t.Context(), kept))
			m.pass(time.Minute)
			require.NoError(t, c.save(t.Context(), kept))
			m.pass(ahead / 2)
			before := c.Now()
			m.wall = m.wall.Add(tt.step)
			c = m.boot()
			require.NoError(t, c.Restore(t.Context(), kept))
			assert.False(t, c.Now().Before(before), "%s, and before it was %s", c.Now(), before)
			assert.WithinDuration(t, tt.want(before, m.wall), c.Now(), ahead)
		})
	}
}

func TestTimeNeverGoesBackWhileItIsRestored(t *testing.T) {
	m, kept := &machine{wall: noon}, &marks{values: map[string]string{mark: "1"}}
	c := m.boot()
	before := c.Now()
	require.NoError(t, c.Restore(t.Context(), kept))
	assert.True(t, c.Now().Equal(before))
}

func TestWhatCannotBeReadIsAnError(t *testing.T) {
	m := &machine{wall: noon}
	err := m.boot().Restore(t.Context(), &marks{values: map[string]string{mark: "yesterday"}})
	assert.ErrorContains(t, err, `mark "clock" is "yesterday"`)
	broken := errors.New("disk")
	assert.ErrorIs(t, m.boot().Restore(t.Context(), &marks{err: broken}), broken)
}

func TestTheTimeIsSavedAsItGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kept := &marks{values: map[string]string{}}
		c := New()
		ctx, cancel := context.WithCancel(t.Context())
		failures := 0
		go c.Run(ctx, kept, func(error) { failures++ })
		for range 20 {
			<-time.After(ahead / 4)
			synctest.Wait()
		}
		require.NoError(t, with(time.Now, func() time.Duration { return 0 }).Restore(ctx, kept))
		assert.Zero(t, failures)
		kept.mu.Lock()
		kept.err = errors.New("disk")
		kept.mu.Unlock()
		<-time.After(ahead)
		synctest.Wait()
		assert.NotZero(t, failures)
		cancel()
		synctest.Wait()
	})
}
