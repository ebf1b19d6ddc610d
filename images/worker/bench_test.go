package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
)

// BenchmarkAgainstXargs runs the same static command by the worker and by xargs -P, side by side; the ratio counts.
func BenchmarkAgainstXargs(b *testing.B) {
	if _, err := exec.LookPath("gcc"); err != nil {
		b.Skip("a static command is compiled by gcc, which is not here")
	}
	command := filepath.Join(b.TempDir(), "true")
	out, err := exec.Command("gcc", "-O2", "-static", "-o", command, "testdata/true.c").CombinedOutput()
	require.NoError(b, err, string(out))
	b.Run("durable", func(b *testing.B) {
		for range b.N {
			const items = 5000
			s := startQueue(b, freePort(b))
			s.push(items, func(int) string { return "x" })
			w := newWorker(b)
			w.use(b, s)
			w.config.Command, w.config.Concurrency = []string{command}, 2
			w.config.WorkDir = filepath.Join("/dev/shm", "worker-bench")
			theirs := xargs(b, items, 2, command)
			began := time.Now()
			w.start(b)
			require.Eventually(b, func() bool { return s.counts()[api.Done] == items }, time.Minute, 10*time.Millisecond)
			ours := items / time.Since(began).Seconds()
			b.ReportMetric(theirs, "xargs/s")
			b.ReportMetric(ours, "worker/s")
			b.ReportMetric(ours/theirs, "ratio")
		}
	})
	for _, concurrency := range []int{1, 2, 4} {
		b.Run(fmt.Sprintf("concurrency=%d", concurrency), func(b *testing.B) {
			for range b.N {
				const items = 5000
				w := newWorker(b)
				w.config.Command, w.config.Concurrency = []string{command}, concurrency
				w.config.WorkDir = filepath.Join("/dev/shm", "worker-bench")
				w.queue.visibility = 30 * time.Second
				for n := range items {
					w.queue.push(fmt.Sprintf("item-%05d", n), "x")
				}
				theirs := xargs(b, items, concurrency, command)
				began := time.Now()
				w.start(b)
				require.Eventually(b, func() bool { return w.queue.count(api.Done) == items }, time.Minute, 2*time.Millisecond)
				ours := items / time.Since(began).Seconds()
				status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.PID()))
				require.NoError(b, err)
				_, rss, _ := strings.Cut(string(status), "VmHWM:")
				rss, _, _ = strings.Cut(strings.TrimSpace(rss), " ")
				kib, _ := strconv.ParseFloat(rss, 64)
				b.ReportMetric(theirs, "xargs/s")
				b.ReportMetric(ours, "worker/s")
				b.ReportMetric(ours/theirs, "ratio")
				b.ReportMetric(kib/1024, "MiB-rss")
				w.queue.mu.Lock()
				b.ReportMetric(float64(w.queue.requests["/v1/stages/stage/receive"]), "receives")
				b.ReportMetric(float64(w.queue.requests["/v1/leases/ack"]), "acks")
				w.queue.mu.Unlock()
			}
		})
	}
}

// xargs gives how many commands a second xargs runs.
func xargs(b *testing.B, items, concurrency int, command string) float64 {
	b.Helper()
	cmd := exec.Command("xargs", "-n1", "-P", strconv.Itoa(concurrency), command)
	cmd.Stdin = strings.NewReader(strings.Repeat("x\n", items))
	began := time.Now()
	require.NoError(b, cmd.Run())
	return float64(items) / time.Since(began).Seconds()
}
