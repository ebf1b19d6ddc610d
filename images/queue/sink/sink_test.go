package sink

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/internal/bucket"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/config"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store/sqlite"
	"github.com/container-patterns/terraform-provider-pattern/test/peers"
)

var ctx = context.Background()

var errEnded = errors.New("the server has ended")

// rig is a real store, with a server before it that can end before a mark, and a folder that is the sink.
type rig struct {
	*testing.T
	*sqlite.Store
	folder string
	log    bytes.Buffer

	mu      sync.Mutex
	left    int             // marks until the end; negative is never
	gone    map[string]bool // contents that cannot be read
	puts    map[string]int
	away    bool
	most    int // at a time
	putting int
	items   int
}

func newRig(t *testing.T) *rig {
	t.Helper()
	s, err := sqlite.Open(ctx, t.TempDir(), store.Options{Now: time.Now, DeduplicationWindow: func() time.Duration { return time.Minute }})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return &rig{T: t, Store: s, folder: t.TempDir(), left: -1, gone: map[string]bool{}, puts: map[string]int{}}
}

// Exported may be the last that a server does not do any more.
func (r *rig) Exported(ctx context.Context, ids []int64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.left == 0 {
		return errEnded
	}
	r.left--
	return r.Store.Exported(ctx, ids)
}

// outputs are made as workers make them.
func (r *rig) outputs(names ...string) {
	r.Helper()
	r.items++
	_, err := r.Enqueue(ctx, []store.NewItem{{Stage: "a", Name: fmt.Sprint("item-", r.items)}})
	require.NoError(r, err)
	items, err := r.Receive(ctx, store.Receive{Stage: "a", Worker: "w", Max: 1, Until: time.Now().Add(time.Minute)})
	require.NoError(r, err)
	commit := store.Commit{Lease: items[0].Lease}
	for _, n := range names {
		data := []byte("content of " + n)
		commit.Results = append(commit.Results, store.NewResult{Name: n, Payload: store.Payload{Data: data, Size: int64(len(data))}})
	}
	errs, err := r.Commit(ctx, []store.Commit{commit})
	require.NoError(r, err)
	require.NoError(r, errors.Join(errs...))
}

func numbered(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%d/picture-%03d.png", i%3, i)
	}
	return out
}

// counted counts what is put, and can be away.
type counted struct {
	*rig
	Bucket
}

func (c counted) Put(ctx context.Context, name string, content io.Reader, size int64) error {
	c.mu.Lock()
	c.puts[name]++
	c.putting++
	c.most = max(c.most, c.putting)
	away := c.away
	c.mu.Unlock()
	defer func() { c.mu.Lock(); c.putting--; c.mu.Unlock() }()
	if away {
		return errors.New("connection refused")
	}
	return c.Bucket.Put(ctx, name, content, size)
}

// server begins anew.
func (r *rig) server() *Exporter {
	e := New(Options{
		Store: r, Log: slog.New(slog.NewTextHandler(&r.log, nil)),
		Open: func(_ context.Context, p store.Payload) (io.ReadCloser, error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			if name := strings.TrimPrefix(string(p.Data), "content of "); r.gone[name] {
				return nil, fmt.Errorf("the payload of %s is gone", name)
			}
			return io.NopCloser(bytes.NewReader(p.Data)), nil
		},
		Bucket: func(url string) (Bucket, error) {
			b, err := bucket.Open(ctx, url)
			return counted{r, b}, err
		},
	})
	e.Apply(r.config())
	return e
}

func (r *rig) config() *config.Config {
	return &config.Config{Sink: &config.Sink{URL: "file://" + r.folder, Prefix: "out/"}}
}

func (r *rig) status(e *Exporter) api.SinkStatus {
	s, err := e.Status(ctx)
	require.NoError(r, err)
	require.NotNil(r, s)
	return *s
}

func (r *rig) complete(names []string) {
	r.Helper()
	files := peers.Files(r, r.folder)
	assert.Equal(r, len(names), len(files)) //nolint:testifylint // the files are not worth reading
	for _, n := range names {
		require.Equal(r, "content of "+n, string(files["out/"+n]), n)
	}
}

func TestOutputsBecomeObjects(t *testing.T) {
	r := newRig(t)
	names := numbered(300)
	r.outputs(names...)
	e := r.server()
	assert.Equal(t, api.SinkStatus{Pending: 300}, r.status(e))
	_, err := e.pass(ctx)
	require.NoError(t, err)
	assert.Equal(t, api.SinkStatus{Exported: 300}, r.status(e))
	r.complete(names)
	assert.Greater(t, r.most, 1, "several at once")
	assert.LessOrEqual(t, r.most, parallel)

	r.outputs("late.png")
	_, err = r.server().pass(ctx)
	require.NoError(t, err)
	for name, n := range r.puts {
		assert.Equal(t, 1, n, "%s is put once", name)
	}
	r.complete(append(names, "late.png"))
}

func TestAnEndBeforeTheMarkPutsTheSameAgain(t *testing.T) {
	for end := range 4 {
		r := newRig(t)
		names := numbered(200)
		r.outputs(names...)
		r.left = end
		_, err := r.server().pass(ctx)
		require.ErrorIs(t, err, errEnded)
		r.left = -1
		e := r.server()
		_, err = e.pass(ctx)
		require.NoError(t, err)
		r.complete(names)
		assert.Equal(t, api.SinkStatus{Exported: 200}, r.status(e))
		again := 0
		for _, n := range r.puts {
			again += n - 1
		}
		assert.LessOrEqual(t, again, page)
	}
}

func TestAnOutputThatCannotBeReadStopsNoOther(t *testing.T) {
	r := newRig(t)
	names := numbered(200)
	r.outputs(names...)
	r.gone[names[0]], r.gone[names[100]] = true, true
	e := r.server()
	away, err := e.pass(ctx)
	require.ErrorContains(t, err, `2 outputs not exported, the first: output "0/picture-000.png": read its content: the payload of 0/picture-000.png is gone`)
	assert.False(t, away)
	e.note(ctx, err)
	assert.Equal(t, api.SinkStatus{Exported: 198, Pending: 2, Error: err.Error()}, r.status(r.server()), "every server can tell")
	r.gone = nil
	_, err = e.pass(ctx)
	require.NoError(t, err)
	r.complete(names)
}

func TestManyThatCannotBeReadStopNoOther(t *testing.T) {
	r := newRig(t)
	names := numbered(100)
	r.outputs(names...)
	for _, n := range names[:40] {
		r.gone[n] = true
	}
	e := r.server()
	for range 4 {
		_, err := e.pass(ctx)
		require.Error(t, err)
	}
	assert.EqualValues(t, 60, r.status(e).Exported)
}

func TestASinkThatIsAwayIsAskedLittleAndLosesNothing(t *testing.T) {
	r := newRig(t)
	names := numbered(300)
	r.outputs(names...)
	r.away = true
	e := r.server()
	pauses, waits := make(chan time.Time), make(chan time.Duration)
	e.after = func(d time.Duration) <-chan time.Time { waits <- d; return pauses }
	running, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() { e.Run(running); close(ended) }()
	var last time.Duration
	for range 8 {
		last = <-waits
		e.Wake()
		e.Wake()
		pauses <- time.Now()
	}
	assert.Greater(t, last, 10*time.Second, "pauses grow")
	<-waits
	tried := 0
	r.mu.Lock()
	for _, n := range r.puts {
		tried += n
	}
	r.mu.Unlock()
	assert.LessOrEqual(t, tried, 9*(hopeless+parallel))
	assert.Contains(t, r.status(e).Error, "connection refused")
	assert.EqualValues(t, 300, r.status(e).Pending)
	r.mu.Lock()
	r.away = false
	r.mu.Unlock()
	go func() {
		for {
			select {
			case pauses <- time.Now():
			case <-waits:
			case <-ended:
				return
			}
		}
	}()
	require.Eventually(t, func() bool { return r.status(e) == api.SinkStatus{Exported: 300} }, 20*time.Second, 10*time.Millisecond)
	stop()
	<-ended
	r.complete(names)
	assert.Contains(t, r.log.String(), "outputs are exported again")
}

func TestADiskThatIsFullIsWaitedFor(t *testing.T) {
	r := newRig(t)
	if err := syscall.Mount("sink", r.folder, "tmpfs", 0, "size=256k"); err != nil {
		t.Skip("a small disk can be made by root only:", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(r.folder, syscall.MNT_DETACH) })
	names := numbered(200) // a page each
	r.outputs(names...)
	e := r.server()
	_, err := e.pass(ctx)
	require.ErrorIs(t, err, syscall.ENOSPC)
	has := r.status(e)
	assert.Positive(t, has.Exported)
	assert.Positive(t, has.Pending)
	require.NoError(t, syscall.Mount("sink", r.folder, "tmpfs", syscall.MS_REMOUNT, "size=8m"))
	_, err = e.pass(ctx)
	require.NoError(t, err)
	r.complete(names)
}

func TestWithoutASinkNothingIsExported(t *testing.T) {
	r := newRig(t)
	r.outputs("a")
	e := r.server()
	e.Apply(&config.Config{})
	_, err := e.pass(ctx)
	require.NoError(t, err)
	s, err := e.Status(ctx)
	require.NoError(t, err)
	assert.Nil(t, s)
	e.Apply(r.config())
	_, err = e.pass(ctx)
	require.NoError(t, err)
	r.complete([]string{"a"})
	e.Apply(&config.Config{Sink: &config.Sink{URL: "ftp://x"}})
	_, err = e.pass(ctx)
	assert.ErrorContains(t, err, `sink.url: "ftp://x" is not the URL of a bucket`)
}
