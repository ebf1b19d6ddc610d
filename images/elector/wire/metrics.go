package wire

import (
	"context"
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/election"
	"github.com/container-patterns/terraform-provider-pattern/images/elector/store"
	"github.com/container-patterns/terraform-provider-pattern/images/elector/store/raft"
)

// counting is a store whose calls are counted.
type counting struct {
	store.Store
	calls *prometheus.CounterVec
}

func counted(s store.Store, r prometheus.Registerer) store.Store {
	c := &counting{s, prometheus.NewCounterVec(prometheus.CounterOpts{Name: "elector_backend_calls_total", Help: "Calls of the backend, without watches."}, []string{"call", "result"})}
	r.MustRegister(c.calls)
	return c
}

func result(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, store.ErrConflict):
		return "conflict"
	}
	return "error"
}

func (c *counting) Get(ctx context.Context, key string) (store.Record, error) {
	r, err := c.Store.Get(ctx, key)
	c.calls.WithLabelValues("get", result(err)).Inc()
	return r, err
}

func (c *counting) Put(ctx context.Context, key string, value []byte, version string) (string, error) {
	v, err := c.Store.Put(ctx, key, value, version)
	c.calls.WithLabelValues("put", result(err)).Inc()
	return v, err
}

// leads tells of elections by name, and of sets how many of theirs this elector leads.
type leads struct {
	agent     *election.Agent
	elections []string
	sets      map[string]int
}

var (
	leaderDesc = prometheus.NewDesc("elector_leader", "1 where this elector leads.", []string{"election"}, nil)
	termDesc   = prometheus.NewDesc("elector_term", "Term of the election, which is its fencing token.", []string{"election"}, nil)
	shardsDesc = prometheus.NewDesc("elector_set_leaders", "Elections of a set that this elector leads.", []string{"set"}, nil)
)

// Describe as prometheus.Collector wants it.
func (l leads) Describe(to chan<- *prometheus.Desc) {
	to <- leaderDesc
	to <- termDesc
	to <- shardsDesc
}

// Collect as prometheus.Collector wants it.
func (l leads) Collect(to chan<- prometheus.Metric) {
	for _, name := range l.elections {
		s, _ := l.agent.Status(name)
		self := 0.0
		if s.Self {
			self = 1
		}
		to <- prometheus.MustNewConstMetric(leaderDesc, prometheus.GaugeValue, self, name)
		to <- prometheus.MustNewConstMetric(termDesc, prometheus.GaugeValue, float64(s.Term), name)
	}
	for set, shards := range l.sets {
		n := 0
		for shard := range shards {
			if s, _ := l.agent.Status(election.ShardName(set, shard)); s.Self {
				n++
			}
		}
		to <- prometheus.MustNewConstMetric(shardsDesc, prometheus.GaugeValue, float64(n), set)
	}
}

// members tells of the log that electors replicate among themselves.
type members struct{ *raft.Store }

var (
	raftLeaderDesc     = prometheus.NewDesc("elector_raft_leader", "1 where this elector leads the log that the table is made of.", nil, nil)
	raftTermDesc       = prometheus.NewDesc("elector_raft_term", "Term of the log, which grows with its leaders.", nil, nil)
	raftIndexDesc      = prometheus.NewDesc("elector_raft_last_index", "Last entry of the log that this elector has.", nil, nil)
	raftVotersDesc     = prometheus.NewDesc("elector_raft_voters", "Electors that have a vote, as far as this one knows.", nil, nil)
	raftGenerationDesc = prometheus.NewDesc("elector_raft_generation", "Generation of the table: it changes where too many electors have lost what they had.", nil, nil)
)

// Describe as prometheus.Collector wants it.
func (members) Describe(to chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{raftLeaderDesc, raftTermDesc, raftIndexDesc, raftVotersDesc, raftGenerationDesc} {
		to <- desc
	}
}

// Collect as prometheus.Collector wants it.
func (m members) Collect(to chan<- prometheus.Metric) {
	is := m.Stats()
	leads := 0.0
	if is.Leader {
		leads = 1
	}
	for desc, value := range map[*prometheus.Desc]float64{
		raftLeaderDesc: leads, raftTermDesc: float64(is.Term), raftIndexDesc: float64(is.LastIndex), raftVotersDesc: float64(is.Voters),
		raftGenerationDesc: float64(is.Generation),
	} {
		to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value)
	}
}
