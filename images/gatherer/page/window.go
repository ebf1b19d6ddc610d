package page

import (
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/scatter"
	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/server"
)

// How much is remembered: each second of a minute of the node, and each fifth second of a minute of its children, as there may be
// many of them.
const (
	minute    = 60
	childStep = 5
	// lately is how many seconds decide on a child's state, and over how many rates are taken.
	lately = 2 * childStep
)

// A memory keeps the newest of so many totals.
type memory[T any] struct {
	size int
	kept []past[T] // the oldest first; never empty
}

// past totals, and when they were so.
type past[T any] struct {
	at     time.Time
	totals T
}

func (m *memory[T]) add(at time.Time, totals T) {
	if len(m.kept) == m.size {
		m.kept = append(m.kept[:0], m.kept[1:]...)
	}
	m.kept = append(m.kept, past[T]{at, totals})
}

// ago gives the totals of n additions ago, 1 being the last, or the oldest.
func (m *memory[T]) ago(n int) past[T] { return m.kept[max(0, len(m.kept)-n)] }

// since is how many seconds ago they were so; not less than one, so that a rate of a moment is not taken for one of a second.
func (p past[T]) since() float64 { return max(1, time.Since(p.at).Seconds()) }

// counted between two totals of a server.
func counted(was, is server.Totals) Counts {
	return Counts{
		Complete: is.Complete - was.Complete, Partial: is.Partial - was.Partial, Insufficient: is.Insufficient - was.Insufficient,
		Failed: is.Failed - was.Failed, Refused: is.Refused - was.Refused,
	}
}

func (c Counts) all() uint64 { return c.Complete + c.Partial + c.Insufficient + c.Failed + c.Refused }

// between two totals of a child.
func between(was, is scatter.Totals) scatter.Totals {
	return scatter.Totals{
		First: is.First - was.First, Retries: is.Retries - was.Retries, Hedges: is.Hedges - was.Hedges, Won: is.Won - was.Won,
		Answered: is.Answered - was.Answered, Partial: is.Partial - was.Partial, Missing: is.Missing - was.Missing,
		Invalid: is.Invalid - was.Invalid,
	}
}
