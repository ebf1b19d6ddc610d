package wire

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/scatter"
)

// replicaMetrics tells of the replicas as they are when it is asked.
type replicaMetrics struct{ scatterer *scatter.Scatterer }

var (
	replicaOpen = prometheus.NewDesc("gatherer_breaker_open", "1 where a replica is not asked, as it fails.", []string{"child", "replica"}, nil)
	replicaBusy = prometheus.NewDesc("gatherer_outstanding", "Requests that a replica has not answered yet.", []string{"child", "replica"}, nil)
	replicaSlow = prometheus.NewDesc("gatherer_replica_seconds", "Average latency by which replicas are chosen.", []string{"child", "replica"}, nil)
)

func (m replicaMetrics) Describe(c chan<- *prometheus.Desc) {
	c <- replicaOpen
	c <- replicaBusy
	c <- replicaSlow
}

func (m replicaMetrics) Collect(c chan<- prometheus.Metric) {
	for _, child := range m.scatterer.Children() {
		for _, r := range child.Set.Status().Replicas {
			open := 0.0
			if r.Breaker != "closed" {
				open = 1
			}
			gauge := func(d *prometheus.Desc, v float64) {
				c <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, child.Name, r.Address)
			}
			gauge(replicaOpen, open)
			gauge(replicaBusy, float64(r.Outstanding))
			gauge(replicaSlow, r.Latency)
		}
	}
}
