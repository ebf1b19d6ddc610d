package main

import (
	"testing"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/test/fault"
	"github.com/container-patterns/terraform-provider-pattern/test/peers"
)

// BenchmarkFaults is the long run of the fault harness: 3 minutes of 50,000 lines a second, a rotation each second, a
// kill of the saver every 3 seconds, and a storage that is away for a minute.
func BenchmarkFaults(b *testing.B) {
	for range b.N {
		report := fault.Run(b, fault.Plan{
			Writing: 3 * time.Minute, Rate: 50_000, Rotate: time.Second, Keep: 5, KillEvery: 3 * time.Second,
			Outage:    func(s *peers.S3) { s.Kill() },
			Return:    func(s *peers.S3) { s.Start(b) },
			AwayAfter: time.Minute, AwayFor: time.Minute,
		})
		b.Log(report)
		b.ReportMetric(float64(len(report.Lost)), "lines-lost")
		b.ReportMetric(float64(len(report.Doubled)+len(report.Overlapping)), "doubled")
		b.ReportMetric(float64(report.Resident)/(1<<20), "MiB-resident")
		if err := report.Err(); err != nil {
			b.Error(err)
		}
		if report.Resident > fault.MaxResident {
			b.Errorf("%d bytes resident, at most %d are allowed", report.Resident, fault.MaxResident)
		}
	}
}
