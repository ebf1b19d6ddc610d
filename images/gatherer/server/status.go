package server

import (
	"errors"
	"net/http"
	"sync/atomic"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/contract"
	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/replicas"
)

// Totals are requests by what became of them, each since the start.
type Totals struct {
	// Complete answers lack no shard, partial ones do. Insufficient are requests to which too few shards have answered.
	Complete     uint64 `json:"complete"`
	Partial      uint64 `json:"partial"`
	Insufficient uint64 `json:"insufficient"`
	// Failed could not be merged, broke off, or were refused by all children.
	Failed uint64 `json:"failed"`
	// Refused were not sent to anybody.
	Refused uint64 `json:"refused"`
}

// Status of a Server.
type Status struct {
	Totals
	InFlight int64
	Require  string
	// Quantiles of the time to an answer, of the last 10 to 12.5 s, in seconds; 0 where there are too few to tell.
	P50, P95, P99 float64
}

// Status as it is now.
func (s *Server) Status() Status {
	seconds := func(q float64) float64 { return s.window.Quantile(q).Seconds() }
	return Status{
		Totals: s.Totals(), InFlight: s.tally.inFlight.Load(), Require: s.plan.Load().policy.Require,
		P50: seconds(0.5), P95: seconds(0.95), P99: seconds(0.99),
	}
}

// Totals as they are now.
func (s *Server) Totals() Totals {
	t := &s.tally
	return Totals{
		Complete: t.complete.Load(), Partial: t.partial.Load(), Insufficient: t.insufficient.Load(),
		Failed: t.failed.Load(), Refused: t.refused.Load(),
	}
}

// tally counts for Status. Prometheus counts the same in its own way, and is not asked: that costs more.
type tally struct {
	complete, partial, insufficient, failed, refused atomic.Uint64
	inFlight                                         atomic.Int64
}

// answered notes an answer with a coverage.
func (t *tally) answered(status int, short bool, c contract.Coverage) {
	switch {
	case short:
		t.insufficient.Add(1)
	case c.Complete && c.Shards == 0 && status >= http.StatusBadRequest:
		t.refused.Add(1)
	case status >= http.StatusBadRequest && !c.Complete, status >= http.StatusInternalServerError:
		t.failed.Add(1)
	case c.Complete:
		t.complete.Add(1)
	default:
		t.partial.Add(1)
	}
}

// streamed notes the end of a stream.
func (t *tally) streamed(err error, c contract.Coverage) {
	if err != nil && !errors.Is(err, errShort) {
		t.failed.Add(1)
		return
	}
	t.answered(http.StatusOK, err != nil, c)
}

// serveTree answers with the tree below, if that is what a gatherer of the level above wants. A root is asked at its management
// port.
func (s *Server) serveTree(w http.ResponseWriter, r *http.Request) bool {
	if s.node.Level == 0 || s.Tree == nil || r.Header.Get(contract.HeaderTree) == "" {
		return false
	}
	s.Tree.ServeHTTP(w, r)
	return true
}

func newTally() tallies { return tallies{window: replicas.NewWindow()} }

// tallies are what Status tells of.
type tallies struct {
	tally  tally
	window *replicas.Window
}
