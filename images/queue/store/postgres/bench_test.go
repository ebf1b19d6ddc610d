package postgres

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
)

// BenchmarkLife of an item, by clients at once: enqueue, receive, commit, each of a batch.
func BenchmarkLife(b *testing.B) {
	for _, shape := range []struct{ clients, batch int }{{1, 1}, {64, 1}, {8, 100}} {
		b.Run(fmt.Sprintf("clients=%d,batch=%d", shape.clients, shape.batch), func(b *testing.B) {
			s := opened(b, database)
			var next atomic.Int64
			var took [3]atomic.Int64
			b.ResetTimer()
			var running sync.WaitGroup
			for range shape.clients {
				running.Go(func() {
					for end := next.Add(int64(shape.batch)); end <= int64(b.N); end = next.Add(int64(shape.batch)) {
						items := make([]store.NewItem, shape.batch)
						for i := range items {
							items[i] = store.NewItem{
								Stage: "stage", Name: fmt.Sprintf("item-%016d", end+int64(i)), Payload: store.Payload{Data: make([]byte, 256), Size: 256},
							}
						}
						start := time.Now()
						if _, err := s.Enqueue(b.Context(), items); err != nil {
							b.Error(err)
						}
						took[0].Add(int64(time.Since(start)))
						start = time.Now()
						got, err := s.Receive(b.Context(), store.Receive{Stage: "stage", Worker: "w", Max: shape.batch, Until: time.Now().Add(time.Minute)})
						if err != nil {
							b.Error(err)
						}
						took[1].Add(int64(time.Since(start)))
						start = time.Now()
						commits := make([]store.Commit, len(got))
						for i := range got {
							commits[i].Lease = got[i].Lease
						}
						if _, err := s.Commit(b.Context(), commits); err != nil {
							b.Error(err)
						}
						took[2].Add(int64(time.Since(start)))
					}
				})
			}
			running.Wait()
			require.False(b, b.Failed())
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "items/s")
			calls := float64(b.N) / float64(shape.batch)
			for i, name := range []string{"enqueue-ms", "receive-ms", "commit-ms"} {
				b.ReportMetric(float64(took[i].Load())/calls/1e6, name)
			}
		})
	}
}
