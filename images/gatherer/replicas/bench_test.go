package replicas

import (
	"fmt"
	"testing"
	"time"
)

func BenchmarkPickAndDone(b *testing.B) {
	for _, n := range []int{1, 2, 3, 8} {
		b.Run(fmt.Sprintf("replicas=%d", n), func(b *testing.B) {
			s := set(Options{}, n)
			b.ReportAllocs()
			for b.Loop() {
				r, err := s.Pick()
				if err != nil {
					b.Fatal(err)
				}
				r.Done(time.Millisecond, Success, "")
			}
		})
		b.Run(fmt.Sprintf("replicas=%d, in parallel", n), func(b *testing.B) {
			s := set(Options{}, n)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					r, err := s.Pick()
					if err != nil {
						b.Error(err)
						return
					}
					r.Done(time.Millisecond, Success, "")
				}
			})
		})
	}
}

func BenchmarkQuantile(b *testing.B) {
	s := set(Options{}, 2)
	for range 100 {
		s.latencies.observe(time.Millisecond, s.now())
	}
	b.ReportAllocs()
	for b.Loop() {
		s.Quantile(0.95)
	}
}
