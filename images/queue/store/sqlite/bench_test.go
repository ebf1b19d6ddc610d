package sqlite

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
)

// content of the benchmarks' items.
var content = make([]byte, 256)

func opened(tb testing.TB) *Store {
	tb.Helper()
	s, err := Open(tb.Context(), tb.TempDir(), options())
	require.NoError(tb, err)
	tb.Cleanup(func() { s.Close() })
	return s
}

func newItem(i int64) store.NewItem {
	return store.NewItem{
		Stage: "stage", Name: fmt.Sprintf("item-%016d", i), Priority: 4, Payload: store.Payload{Data: content, Size: int64(len(content))},
	}
}

// fill a store with n items, in batches of 1000.
func fill(tb testing.TB, s *Store, n int64) {
	tb.Helper()
	for at := int64(0); at < n; at += 1000 {
		batch := make([]store.NewItem, 0, 1000)
		for i := at; i < min(at+1000, n); i++ {
			batch = append(batch, newItem(i))
		}
		_, err := s.Enqueue(tb.Context(), batch)
		require.NoError(tb, err)
	}
}

// report items per second and flushes per item.
func report(b *testing.B, s *Store, items int64) {
	b.ReportMetric(float64(items)/b.Elapsed().Seconds(), "items/s")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(items), "ns/item")
	b.ReportMetric(float64(s.commits.Load())/float64(items), "flushes/item")
}

// BenchmarkEnqueue by clients at once, in batches.
func BenchmarkEnqueue(b *testing.B) {
	for _, shape := range []struct{ clients, batch int }{{1, 1}, {64, 1}, {8, 100}, {64, 100}} {
		b.Run(fmt.Sprintf("clients=%d,batch=%d", shape.clients, shape.batch), func(b *testing.B) {
			s := opened(b)
			var next atomic.Int64
			before := s.commits.Load()
			b.ResetTimer()
			var clients sync.WaitGroup
			for range shape.clients {
				clients.Go(func() {
					items := make([]store.NewItem, shape.batch)
					for {
						end := next.Add(int64(shape.batch))
						if end > int64(b.N) {
							return
						}
						for i := range items {
							items[i] = newItem(end + int64(i))
						}
						if _, err := s.Enqueue(b.Context(), items); err != nil {
							b.Error(err)
						}
					}
				})
			}
			clients.Wait()
			s.commits.Add(-before)
			report(b, s, int64(b.N))
		})
	}
}

// BenchmarkLife of an item: enqueue, receive, commit, in batches of 10, while so many others wait.
func BenchmarkLife(b *testing.B) {
	for _, waiting := range []int64{1e3, 1e4, 1e5, 1e6} {
		b.Run(fmt.Sprintf("waiting=%d", waiting), func(b *testing.B) {
			s := opened(b)
			fill(b, s, waiting)
			before := s.commits.Load()
			b.ResetTimer()
			for at := int64(0); at < int64(b.N); at += 10 {
				batch := make([]store.NewItem, 10)
				for i := range batch {
					batch[i] = newItem(waiting + at + int64(i))
				}
				_, err := s.Enqueue(b.Context(), batch)
				require.NoError(b, err)
				items, err := s.Receive(b.Context(), store.Receive{Stage: "stage", Worker: "w", Max: 10, Until: time.Now().Add(time.Minute)})
				require.NoError(b, err)
				commits := make([]store.Commit, len(items))
				for i := range items {
					commits[i].Lease = items[i].Lease
				}
				_, err = s.Commit(b.Context(), commits)
				require.NoError(b, err)
			}
			s.commits.Add(-before)
			report(b, s, int64(b.N))
			b.ReportMetric(float64(resident(b))/(1<<20), "MiB")
		})
	}
}

// BenchmarkLatency of 32 clients that enqueue single items without pause: what checkpoints do to the slowest ones.
func BenchmarkLatency(b *testing.B) {
	s := opened(b)
	fill(b, s, 100_000)
	const clients = 32
	took := make([][]time.Duration, clients)
	var next atomic.Int64
	next.Store(1e6)
	b.ResetTimer()
	var running sync.WaitGroup
	for client := range clients {
		running.Go(func() {
			for {
				i := next.Add(1)
				if i > 1e6+int64(b.N) {
					return
				}
				start := time.Now()
				if _, err := s.Enqueue(b.Context(), []store.NewItem{newItem(i)}); err != nil {
					b.Error(err)
				}
				took[client] = append(took[client], time.Since(start))
			}
		})
	}
	running.Wait()
	all := slices.Concat(took...)
	slices.Sort(all)
	for _, p := range []struct {
		name string
		at   float64
	}{{"p50-ms", 0.5}, {"p99-ms", 0.99}, {"p99.9-ms", 0.999}, {"max-ms", 1}} {
		b.ReportMetric(all[int(float64(len(all)-1)*p.at)].Seconds()*1e3, p.name)
	}
}

// resident memory of this process in bytes.
func resident(tb testing.TB) int64 {
	tb.Helper()
	text, err := os.ReadFile("/proc/self/statm")
	require.NoError(tb, err)
	pages, err := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	require.NoError(tb, err)
	return pages * int64(os.Getpagesize())
}

// BenchmarkClaim of items by clients at once: receive one and commit it, as workers do.
func BenchmarkClaim(b *testing.B) {
	for _, shape := range []struct{ clients, batch int }{{1, 1}, {64, 1}, {8, 100}} {
		b.Run(fmt.Sprintf("clients=%d,batch=%d", shape.clients, shape.batch), func(b *testing.B) {
			s := opened(b)
			fill(b, s, int64(b.N))
			before := s.commits.Load()
			b.ResetTimer()
			var running sync.WaitGroup
			for range shape.clients {
				running.Go(func() {
					for {
						items, err := s.Receive(b.Context(), store.Receive{Stage: "stage", Worker: "w", Max: shape.batch, Until: time.Now().Add(time.Minute)})
						if err != nil {
							b.Error(err)
						}
						if len(items) == 0 {
							return
						}
						commits := make([]store.Commit, len(items))
						for i := range items {
							commits[i] = store.Commit{Lease: items[i].Lease, Results: []store.NewResult{{Name: items[i].Name, Payload: items[i].Payload}}}
						}
						if _, err := s.Commit(b.Context(), commits); err != nil {
							b.Error(err)
						}
					}
				})
			}
			running.Wait()
			s.commits.Add(-before)
			report(b, s, int64(b.N))
		})
	}
}
