package replicas

import "time"

// Status of a Set, for its page and its metrics.
type Status struct {
	Name string `json:"name"`
	// Quantiles as Set.Quantile gives them, in seconds.
	P50      float64         `json:"p50_seconds"`
	P95      float64         `json:"p95_seconds"`
	P99      float64         `json:"p99_seconds"`
	Replicas []ReplicaStatus `json:"replicas"`
}

// ReplicaStatus is that of one replica.
type ReplicaStatus struct {
	Address string `json:"address"`
	// Latency that is expected of it, 0 while nothing is known.
	Latency     float64 `json:"latency_seconds"`
	Outstanding int64   `json:"outstanding"`
	Requests    uint64  `json:"requests"`
	Failures    uint64  `json:"failures"`
	// Breaker is "closed", "open" or "half_open".
	Breaker string `json:"breaker"`
	// Reason of the last failure, until a request succeeds again.
	Reason string `json:"reason,omitempty"`
}

// Status of all replicas, in the order of their addresses.
func (s *Set) Status() Status {
	now := s.now()
	floor := s.floor()
	out := Status{
		Name: s.options.Load().Name, Replicas: []ReplicaStatus{},
		P50: s.Quantile(0.5).Seconds(), P95: s.Quantile(0.95).Seconds(), P99: s.Quantile(0.99).Seconds(),
	}
	for _, r := range *s.all.Load() {
		state, reason := r.breaker.why()
		out.Replicas = append(out.Replicas, ReplicaStatus{
			Address: r.Address, Latency: r.latency.at(now, floor) / float64(time.Second), Outstanding: r.outstanding.Load(),
			Requests: r.requests.Load(), Failures: r.failures.Load(), Breaker: state.String(), Reason: reason,
		})
	}
	return out
}
