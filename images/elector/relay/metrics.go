package relay

import "github.com/prometheus/client_golang/prometheus"

// Results of connections, for metrics.
const (
	local     = "local"     // to the application beside this elector
	forwarded = "forwarded" // to another elector
	nobody    = "nobody"    // nobody took it, and the patience is over
	full      = "full"      // too many wait
)

type meters struct {
	connections, failures, peers *prometheus.CounterVec
	open, waiting                *prometheus.GaugeVec
}

func newMeters(to prometheus.Registerer) *meters {
	by := []string{"relay", "result"}
	m := &meters{
		connections: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "elector_relay_connections_total", Help: "Connections of clients: local, forwarded to another elector, nobody led for as long as they waited, too many (full) waited."}, by),
		failures:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "elector_relay_failures_total", Help: "Attempts to connect to the leader's application that failed, which are made again: local, forwarded."}, by),
		peers:       prometheus.NewCounterVec(prometheus.CounterOpts{Name: "elector_relay_peers_total", Help: "Connections that other electors forwarded to this one: accepted, refused."}, by),
		open:        prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "elector_relay_open", Help: "Connections that are open."}, by[:1]),
		waiting:     prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "elector_relay_waiting", Help: "Connections that wait for a leader."}, by[:1]),
	}
	to.MustRegister(m.connections, m.failures, m.peers, m.open, m.waiting)
	return m
}

// serviceMeters are those of one service.
type serviceMeters struct {
	*meters
	name          string
	open, waiting prometheus.Gauge
}

func (m *meters) of(name string) serviceMeters {
	return serviceMeters{m, name, m.open.WithLabelValues(name), m.waiting.WithLabelValues(name)}
}

func (m serviceMeters) connected(how string, err error) {
	if err != nil {
		m.failures.WithLabelValues(m.name, how).Inc()
		return
	}
	m.connections.WithLabelValues(m.name, how).Inc()
}

func (m serviceMeters) gaveUp(why string) { m.connections.WithLabelValues(m.name, why).Inc() }

func (m serviceMeters) peer(accepted bool) {
	result := "refused"
	if accepted {
		result = "accepted"
	}
	m.peers.WithLabelValues(m.name, result).Inc()
}
