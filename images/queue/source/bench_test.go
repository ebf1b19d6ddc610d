package source

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/internal/bucket"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store/sqlite"
)

// many objects, which cost nothing to list.
type many int

func (n many) List(_ context.Context, prefix, after string) iter.Seq2[bucket.Object, error] {
	return func(yield func(bucket.Object, error) bool) {
		for i := range int(n) {
			if name := fmt.Sprintf("%s%09d.png", prefix, i); name > after && !yield(bucket.Object{Name: name, Size: 1000}, nil) {
				return
			}
		}
	}
}

// BenchmarkLook reads a bucket for the first time, and looks at it again, per object: the cost does not depend on their
// number, nor does the memory that a look needs.
func BenchmarkLook(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		for _, again := range []bool{false, true} {
			b.Run(fmt.Sprintf("objects=%d/again=%v", n, again), func(b *testing.B) {
				var peak uint64
				for b.Loop() {
					b.StopTimer()
					s, err := sqlite.Open(ctx, b.TempDir(), store.Options{Now: time.Now, DeduplicationWindow: func() time.Duration { return time.Minute }})
					require.NoError(b, err)
					r := New(Options{Store: s, Log: slog.New(slog.DiscardHandler), Bucket: func(string) (Bucket, error) { return many(n), nil }})
					r.Apply(inbox(time.Minute))
					look := func() { require.NoError(b, r.look(ctx, feeds(r.current())[0])) }
					if again {
						look()
					}
					runtime.GC()
					b.StartTimer()
					look()
					b.StopTimer()
					var m runtime.MemStats
					runtime.ReadMemStats(&m)
					peak = max(peak, m.HeapInuse)
					require.NoError(b, s.Close())
					b.StartTimer()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/object")
				b.ReportMetric(float64(peak)/(1<<20), "MiB-heap")
			})
		}
	}
}
