package saver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/batch"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/config"
)

var errAway = errors.New("the store is away")

// store is an object store in memory: a name that is written twice has the second content.
type store struct {
	mu      sync.Mutex
	objects map[string]string
	names   []string // in the order of their first writing
	writes  int
	away    bool
}

func (s *store) Write(_ context.Context, b *batch.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return errAway
	}
	if _, ok := s.objects[b.Name]; !ok {
		s.names = append(s.names, b.Name)
	}
	s.writes++
	s.objects[b.Name] = string(b.Records)
	return nil
}

func (s *store) Check(context.Context) error { return nil }
func (s *store) Close() error                { return nil }

func (s *store) setAway(away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = away
}

// lines are all that is stored, in the order of the objects' first writing.
func (s *store) lines() (lines []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range s.names {
		for line := range strings.Lines(s.objects[name]) {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	return lines
}

// figures count the events.
type figures struct {
	mu                                             sync.Mutex
	truncated, unreadable, spooled, dropped, split int
	lost                                           int64
}

func (f *figures) count(add func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	add()
}
func (f *figures) Delivered(*batch.Batch, time.Duration) {}
func (f *figures) Failed(bool)                           {}
func (f *figures) Spooled(*batch.Batch)                  { f.count(func() { f.spooled++ }) }
func (f *figures) Dropped(_ string, lines int, _ int64)  { f.count(func() { f.dropped += lines }) }
func (f *figures) Read(_ string, _, _, split int)        { f.count(func() { f.split += split }) }
func (f *figures) Replayed(string, int)                  {}
func (f *figures) Truncated(string)                      { f.count(func() { f.truncated++ }) }
func (f *figures) Lost(_, _ string, bytes int64)         { f.count(func() { f.lost += bytes }) }
func (f *figures) Unreadable()                           { f.count(func() { f.unreadable++ }) }

func (f *figures) get(value *int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return *value
}

// A rig is a saver over a directory, which can be stopped and started again.
type rig struct {
	t      *testing.T
	dir    string
	config *config.Config
	store  *store
	figures
	saver *Saver
	stop  context.CancelFunc
	ended chan error
	log   io.Writer
	adapt func(*Saver) // before it runs
}

func newRig(t *testing.T, adapt ...func(*config.Config)) *rig {
	root := t.TempDir()
	r := &rig{t: t, dir: filepath.Join(root, "logs"), store: &store{objects: map[string]string{}}, log: t.Output()}
	require.NoError(t, os.Mkdir(r.dir, 0o755))
	c := &config.Config{
		Inputs:   []config.Input{{Name: "app", Paths: []string{filepath.Join(r.dir, "*.log")}}},
		StateDir: filepath.Join(root, "state"),
		Source:   "web-0",
		Poll:     config.Duration(5 * time.Millisecond),
		Sink:     config.Sink{Bucket: &config.Bucket{URL: "file:///unused"}},
		Batch:    config.Batch{MaxAge: config.Duration(10 * time.Millisecond), MaxBytes: 4 << 10},
		Retry:    config.Retry{Min: config.Duration(5 * time.Millisecond), Max: config.Duration(20 * time.Millisecond)},
	}
	c.Inputs[0].MaxLineBytes = 1 << 10
	for _, f := range adapt {
		f(c)
	}
	c.SetDefaults()
	require.NoError(t, c.Validate())
	r.config = c
	t.Cleanup(r.crash)
	return r
}

func (r *rig) start() *rig {
	r.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	saver, err := New(ctx, r.config, r.store, func(error) bool { return false }, r, slog.New(slog.NewTextHandler(r.log, nil)))
	require.NoError(r.t, err)
	if r.adapt != nil {
		r.adapt(saver)
	}
	r.saver, r.stop, r.ended = saver, stop, make(chan error, 1)
	go func() { r.ended <- saver.Run(ctx) }()
	return r
}

// crash ends the saver without letting it finish anything.
func (r *rig) crash() {
	if r.stop != nil {
		r.stop()
		<-r.ended
		r.stop = nil
	}
}

// finish lets the saver read to the end.
func (r *rig) finish() {
	r.t.Helper()
	r.saver.Drain()
	select {
	case err := <-r.ended:
		require.NoError(r.t, err)
	case <-time.After(10 * time.Second):
		r.t.Fatal("the saver does not end")
	}
	r.stop()
	r.stop = nil
}

func (r *rig) path(name string) string { return filepath.Join(r.dir, name) }

// append writes to a file, which it makes if need be.
func (r *rig) append(name string, lines ...string) {
	r.t.Helper()
	r.raw(name, strings.Join(lines, "\n")+"\n")
}

func (r *rig) raw(name, text string) {
	r.t.Helper()
	file, err := os.OpenFile(r.path(name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	require.NoError(r.t, err)
	_, err = file.WriteString(text)
	require.NoError(r.t, err)
	require.NoError(r.t, file.Close())
}

func (r *rig) rename(from, to string) {
	r.t.Helper()
	require.NoError(r.t, os.Rename(r.path(from), r.path(to)))
}

// copyTruncate does what logrotate does.
func (r *rig) copyTruncate(from, to string) {
	r.t.Helper()
	data, err := os.ReadFile(r.path(from))
	require.NoError(r.t, err)
	require.NoError(r.t, os.WriteFile(r.path(to), data, 0o644))
	require.NoError(r.t, os.Truncate(r.path(from), 0))
}

// wait waits until just these lines are stored, in any order of the files.
func (r *rig) wait(want ...string) {
	r.t.Helper()
	slices.Sort(want)
	if !assert.Eventually(r.t, func() bool {
		got := r.store.lines()
		slices.Sort(got)
		return slices.Equal(got, want)
	}, 10*time.Second, 2*time.Millisecond) {
		got := r.store.lines()
		r.t.Fatalf("stored %d lines, want %d:\n%s", len(got), len(want), difference(got, want))
	}
}

func difference(got, want []string) string {
	var out strings.Builder
	counts := map[string]int{}
	for _, line := range want {
		counts[line]++
	}
	for _, line := range got {
		counts[line]--
	}
	for line, count := range counts {
		if count != 0 {
			fmt.Fprintf(&out, "%+d %.60s\n", -count, line)
		}
	}
	return out.String()
}

// stays waits for a few rounds of the saver, and sees that nothing has come to the lines.
func (r *rig) stays(want ...string) {
	r.t.Helper()
	seen := r.saver.alive.Load()
	for range 30 {
		require.Eventually(r.t, func() bool { return r.saver.alive.Load() != seen }, 10*time.Second, time.Millisecond)
		seen = r.saver.alive.Load()
	}
	r.wait(want...)
}

// numbered makes lines.
func numbered(prefix string, from, to int) (lines []string) {
	for i := from; i < to; i++ {
		lines = append(lines, fmt.Sprintf("%s %06d", prefix, i))
	}
	return lines
}
