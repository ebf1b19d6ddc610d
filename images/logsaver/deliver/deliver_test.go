package deliver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/batch"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/spool"
)

var (
	errAway    = errors.New("away")
	errRefused = errors.New("refused")
)

// sink answers as it is told, and remembers what it has taken.
type sink struct {
	mu      sync.Mutex
	err     error
	hang    chan struct{} // writes wait until it is closed
	writing chan struct{} // gets a value as a write begins
	names   []string
	before  func() // each write, with the sink locked
	poison  string // the name of a batch that is always refused
	checks  int
}

func (s *sink) Write(ctx context.Context, b *batch.Batch) error {
	s.mu.Lock()
	hang := s.hang
	s.mu.Unlock()
	select {
	case s.writing <- struct{}{}:
	default:
	}
	if hang != nil {
		select {
		case <-hang:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.before != nil {
		s.before()
	}
	if s.err != nil {
		return s.err
	}
	if b.Name == s.poison {
		return errRefused
	}
	s.names = append(s.names, b.Name)
	return nil
}

func (s *sink) Check(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.checks++
	return s.err
}

func (s *sink) Close() error { return nil }

func (s *sink) set(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *sink) taken() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string{}, s.names...)
}

type events struct {
	mu                                             sync.Mutex
	delivered, failed, permanent, spooled, dropped int
}

func (e *events) count(add func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	add()
}
func (e *events) Delivered(*batch.Batch, time.Duration) { e.count(func() { e.delivered++ }) }
func (e *events) Failed(permanent bool) {
	e.count(func() {
		e.failed++
		if permanent {
			e.permanent++
		}
	})
}
func (e *events) Spooled(*batch.Batch)                 { e.count(func() { e.spooled++ }) }
func (e *events) Dropped(_ string, lines int, _ int64) { e.count(func() { e.dropped += lines }) }

// bench is a Deliverer with all around it.
type bench struct {
	*Deliverer
	t        *testing.T
	sink     *sink
	events   *events
	mu       sync.Mutex
	acked    map[string]int
	released int
	cancel   context.CancelFunc
	ended    chan struct{}
}

func newBench(t *testing.T, adapt ...func(*Options)) *bench {
	disk, err := spool.Open(t.TempDir(), 1<<20)
	require.NoError(t, err)
	b := &bench{t: t, sink: &sink{writing: make(chan struct{}, 100)}, events: &events{}, acked: map[string]int{}, ended: make(chan struct{})}
	options := Options{
		Sink: b.sink, Permanent: func(err error) bool { return errors.Is(err, errRefused) }, Spool: disk,
		After: 500 * time.Millisecond, Timeout: time.Minute, RetryMin: time.Millisecond, RetryMax: 5 * time.Millisecond,
		Sync: func(context.Context, uint64) error { return nil },
		Ack: func(_ string, start, _ int64) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.acked[fmt.Sprint(start)]++
		},
		Events: b.events, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	for _, f := range adapt {
		f(&options)
	}
	b.Deliverer = New(options, 4)
	return b
}

func (b *bench) run() *bench {
	ctx, cancel := context.WithCancel(context.Background())
	b.cancel = cancel
	go func() {
		defer close(b.ended)
		b.Run(ctx)
	}()
	b.t.Cleanup(func() { cancel(); <-b.ended })
	return b
}

func (b *bench) submit(from, to int) {
	for i := from; i < to; i++ {
		text := strings.Repeat("x", 999) + "\n"
		item := Item{
			Batch:   &batch.Batch{Name: fmt.Sprint(i), Identity: "a", Start: int64(i), End: int64(i + 1), Records: []byte(text), Lines: 1},
			Release: func() { b.mu.Lock(); defer b.mu.Unlock(); b.released++ },
		}
		require.NoError(b.t, b.Submit(b.t.Context(), item))
	}
}

func (b *bench) eventually(what string, condition func() bool) {
	b.t.Helper()
	require.Eventually(b.t, condition, 10*time.Second, time.Millisecond, what)
}

func (b *bench) get(value *int) int {
	b.events.mu.Lock()
	defer b.events.mu.Unlock()
	return *value
}

// finish sees that all is delivered, in order and acknowledged once.
func (b *bench) finish(batches int) {
	b.t.Helper()
	b.Finish()
	select {
	case <-b.ended:
	case <-time.After(10 * time.Second):
		b.t.Fatal("not all is delivered")
	}
	var want []string
	for i := range batches {
		want = append(want, fmt.Sprint(i))
		assert.Equal(b.t, 1, b.acked[fmt.Sprint(i)], "batch %d is acknowledged once", i)
	}
	assert.Equal(b.t, want, b.sink.names)
	assert.Equal(b.t, batches, b.released, "all memory comes back")
	left, _, _, _ := b.Spool.Size()
	assert.Zero(b.t, left)
}

func TestBatchesGoStraightToASinkThatTakesThem(t *testing.T) {
	b := newBench(t).run()
	b.submit(0, 50)
	b.finish(50)
	assert.Zero(t, b.events.spooled)
	assert.Equal(t, 50, b.events.delivered)
}

func TestBatchesGoToDiskWhileTheSinkIsAwayAndLeaveItInOrder(t *testing.T) {
	b := newBench(t).run()
	b.submit(0, 3)
	b.eventually("three are delivered", func() bool { return len(b.sink.taken()) == 3 })
	b.sink.set(errAway)
	b.submit(3, 20)
	b.eventually("the others are on disk", func() bool { return b.get(&b.events.spooled) == 17 })
	require.ErrorIs(t, b.Status().Err, errAway)
	assert.False(t, b.Status().Permanent)
	b.sink.set(nil)
	b.submit(20, 30)
	b.finish(30)
	require.NoError(t, b.Status().Err)
}

func TestABatchGoesToDiskWhenTheSinkIsSlow(t *testing.T) {
	b := newBench(t, func(o *Options) { o.After = 10 * time.Millisecond })
	hang := make(chan struct{})
	b.sink.hang = hang
	b.run()
	b.submit(0, 3)
	b.eventually("all are on disk", func() bool { return b.get(&b.events.spooled) == 3 })
	b.mu.Lock()
	assert.Len(t, b.acked, 3, "what is on disk is acknowledged")
	b.mu.Unlock()
	close(hang)
	b.finish(3)
}

func TestASinkThatHangsCostsOneTimeout(t *testing.T) {
	b := newBench(t, func(o *Options) { o.Timeout = 20 * time.Millisecond })
	b.sink.hang = make(chan struct{})
	b.run()
	b.submit(0, 1)
	b.eventually("the attempt ends", func() bool { return errors.Is(b.Status().Err, context.DeadlineExceeded) })
	b.sink.mu.Lock()
	b.sink.hang = nil
	b.sink.mu.Unlock()
	b.finish(1)
}

func TestAFullSpool(t *testing.T) {
	small := func(policy Policy) *bench {
		return newBench(t, func(o *Options) {
			disk, err := spool.Open(t.TempDir(), 6000) // four batches and their headers
			require.NoError(t, err)
			o.Spool, o.OnFull, o.After = disk, policy, time.Millisecond
		})
	}
	t.Run("blocks, and loses nothing", func(t *testing.T) {
		b := small(Block)
		b.sink.err = errAway
		b.run()
		b.submit(0, 8)
		b.eventually("reading is blocked", func() bool { return b.Status().Blocked })
		b.sink.set(nil)
		b.finish(8)
		assert.False(t, b.Status().Blocked)
	})
	t.Run("drops the newest and counts it", func(t *testing.T) {
		b := small(DropNewest)
		b.sink.err = errAway
		b.run()
		b.submit(0, 10)
		b.eventually("all are settled", func() bool { b.mu.Lock(); defer b.mu.Unlock(); return len(b.acked) == 10 })
		b.sink.set(nil)
		b.Finish()
		<-b.ended
		assert.Equal(t, 10, len(b.sink.names)+b.events.dropped)
		assert.Positive(t, b.events.dropped)
		assert.Equal(t, "0", b.sink.names[0])
	})
	t.Run("drops the oldest and counts it", func(t *testing.T) {
		b := small(DropOldest)
		b.sink.err = errAway
		b.run()
		b.submit(0, 10)
		b.eventually("all are settled", func() bool { b.mu.Lock(); defer b.mu.Unlock(); return len(b.acked) == 10 })
		b.sink.set(nil)
		b.Finish()
		<-b.ended
		assert.Equal(t, 10, len(b.sink.names)+b.events.dropped)
		assert.Positive(t, b.events.dropped)
		assert.Equal(t, "9", b.sink.names[len(b.sink.names)-1])
	})
}

func TestARefusalIsKnownBeforeThereIsAnythingToWriteAndUntilItEnds(t *testing.T) {
	b := newBench(t)
	b.sink.err = errRefused
	b.run()
	b.eventually("the refusal is known", func() bool { return b.Status().Permanent })
	b.eventually("it is counted", func() bool { return b.get(&b.events.permanent) > 0 })
	b.sink.set(nil)
	b.eventually("its end is known", func() bool { return b.Status().Err == nil })
}

func TestABatchThatAloneIsRefusedIsPutAside(t *testing.T) {
	b := newBench(t)
	b.sink.poison = "1"
	b.run()
	b.submit(0, 4)
	b.eventually("the others are delivered", func() bool { return len(b.sink.taken()) == 3 })
	b.eventually("it is counted", func() bool { return b.get(&b.events.dropped) == 1 })
	b.Finish()
	<-b.ended
	assert.Equal(t, []string{"0", "2", "3"}, b.sink.names)
	require.NoError(t, b.Status().Err, "the sink is well")
}

func TestARefusalOfAllPutsNothingAside(t *testing.T) {
	b := newBench(t)
	b.sink.err = errRefused
	b.run()
	b.submit(0, 4)
	b.eventually("it was tried often", func() bool { return b.get(&b.events.permanent) > 20 })
	assert.Zero(t, b.get(&b.events.dropped))
	b.sink.set(nil)
	b.eventually("all are delivered", func() bool { return len(b.sink.taken()) == 4 })
	assert.ElementsMatch(t, []string{"0", "1", "2", "3"}, b.sink.taken())
	assert.Zero(t, b.get(&b.events.dropped))
}

func TestASinkThatComesToItsSensesInBetweenLosesNothing(t *testing.T) {
	b := newBench(t)
	b.sink.err = errRefused
	writes := 0
	b.sink.before = func() { // just before the next batch is tried instead of the one that was refused
		if writes++; writes == refusalsBeforeDoubt+1 {
			b.sink.err = nil
		}
	}
	for i := range 2 {
		_, err := b.Spool.Put(&batch.Batch{Name: fmt.Sprint(i), Records: []byte("x\n"), Lines: 1, Start: int64(i)})
		require.NoError(t, err)
	}
	b.run()
	b.eventually("both are delivered", func() bool { return len(b.sink.taken()) == 2 })
	assert.Equal(t, []string{"1", "0"}, b.sink.taken())
	assert.Zero(t, b.get(&b.events.dropped))
}

func TestNothingIsWrittenBeforeItIsNoted(t *testing.T) {
	noted := make(chan struct{})
	b := newBench(t, func(o *Options) {
		o.Sync = func(ctx context.Context, version uint64) error {
			select {
			case <-noted:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}).run()
	b.submit(0, 1)
	b.eventually("the sender has it", func() bool { return len(b.queue) == 0 })
	assert.Empty(t, b.sink.taken())
	assert.Empty(t, b.sink.writing)
	close(noted)
	b.finish(1)
}

func TestBackoffGrowsToItsLimit(t *testing.T) {
	pause := backoff{min: time.Microsecond, max: 8 * time.Microsecond}
	var got []time.Duration
	for range 5 {
		pause.wait(t.Context())
		got = append(got, pause.next/time.Microsecond)
	}
	assert.Equal(t, []time.Duration{1, 2, 4, 8, 8}, got)
}
