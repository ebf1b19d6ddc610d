package fault

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/config"
	"github.com/container-patterns/terraform-provider-pattern/test/peers"
)

func TestNothingIsLostAndNothingIsTwice(t *testing.T) {
	killed := func(s *peers.S3) { s.Kill() }
	restarted := func(t *testing.T) func(*peers.S3) { return func(s *peers.S3) { s.Start(t) } }
	usual := Plan{Writing: 20 * time.Second, Rate: 50_000, Rotate: time.Second, Keep: 5, KillEvery: 3 * time.Second}
	tests := []struct {
		name  string
		adapt func(t *testing.T, p *Plan)
		// happened is what the saver has logged, so that the test knows that the fault was one.
		happened string
	}{
		{
			name: "when the saver is killed again and again and the store is killed for a while",
			adapt: func(t *testing.T, p *Plan) {
				p.Outage, p.Return, p.AwayAfter, p.AwayFor = killed, restarted(t), 5*time.Second, 7*time.Second
			},
			happened: "sink is away",
		},
		{
			name: "when the saver is killed again and again and the store hangs for a while",
			adapt: func(t *testing.T, p *Plan) {
				p.Outage, p.Return = func(s *peers.S3) { s.Pause(t) }, func(s *peers.S3) { s.Resume(t) }
				p.AwayAfter, p.AwayFor = 4*time.Second, 8*time.Second
			},
			happened: "sink is slow",
		},
		{
			name: "when the saver is killed again and again and the way to the store is too narrow",
			adapt: func(_ *testing.T, p *Plan) {
				p.Bandwidth, p.Writing = 3_000_000, 12*time.Second // the lines have 5 MB/s
				p.Adapt = func(c *config.Config) { c.Sink.Bucket.Compression = config.CompressionNone }
			},
			happened: "sink is slow",
		},
		{
			name: "when the saver hardly lives long enough to write a batch",
			adapt: func(_ *testing.T, p *Plan) {
				p.KillEvery, p.Writing = 230*time.Millisecond, 10*time.Second
			},
			happened: "starting",
		},
		{
			name: "when files are rotated by copying and truncating, and the saver is killed again and again",
			adapt: func(_ *testing.T, p *Plan) {
				p.CopyTruncate, p.KillEvery, p.Writing = true, 700*time.Millisecond, 10*time.Second
			},
			happened: "file was truncated",
		},
		{
			name: "when the saver is stopped for longer than a few rotations take",
			adapt: func(_ *testing.T, p *Plan) {
				p.KillEvery, p.Writing, p.PauseAfter, p.Pausing = 0, 10*time.Second, 3*time.Second, 3500*time.Millisecond
			},
			happened: "termination begins",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			plan := usual
			test.adapt(t, &plan)
			report := Run(t, plan)
			t.Log(report)
			require.NoError(t, report.Err())
			assert.LessOrEqual(t, report.Resident, int64(MaxResident))
			assert.Positive(t, report.Written)
			assert.Contains(t, report.Log, test.happened)
		})
	}
}

func TestAFullDiskLosesNothing(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a small filesystem is mounted, which only root may do")
	}
	small := filepath.Join(t.TempDir(), "small")
	require.NoError(t, os.Mkdir(small, 0o755))
	require.NoError(t, syscall.Mount("tmpfs", small, "tmpfs", 0, "size=12m,mode=777"))
	t.Cleanup(func() { assert.NoError(t, syscall.Unmount(small, 0)) })
	report := Run(t, Plan{
		Writing: 12 * time.Second, Rate: 50_000, KillEvery: 3 * time.Second,
		Outage:    func(s *peers.S3) { s.Kill() },
		Return:    func(s *peers.S3) { s.Start(t) },
		AwayAfter: time.Second, AwayFor: 8 * time.Second, // 40 MB come meanwhile
		Adapt: func(c *config.Config) {
			c.StateDir = filepath.Join(small, "state")
			c.Spool.Dir = filepath.Join(small, "spool") // of 1 GiB, as far as the configuration knows
		},
	})
	t.Log(report)
	require.NoError(t, report.Err())
	assert.LessOrEqual(t, report.Resident, int64(MaxResident))
	assert.Contains(t, report.Log, "spool is full")
}
