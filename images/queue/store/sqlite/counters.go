package sqlite

import (
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store/sqlite/conn"
)

// counters of the whole queue, kept with every change and in its transaction.
type counters struct {
	stages            []*stage // by ID - 1
	byName            map[string]*stage
	results, exported int64
	// resultsChanged says that results or exported have, since the last commit.
	resultsChanged bool
}

// A stage with its counters.
type stage struct {
	id                   int64
	name                 string
	counts               [states + 1]int64
	doneTotal, deadTotal int64
	// changed since the last commit; began says that an item began to wait.
	changed, began bool
}

// move an item from a state to another; 0 is none.
func (s *stage) move(from, to int) {
	s.counts[from]--
	s.counts[to]++
	s.changed = true
	switch to {
	case waiting:
		s.began = true
	case done:
		s.doneTotal++
	case dead:
		s.deadTotal++
	}
}

func (c *counters) clone() *counters {
	clone := &counters{results: c.results, exported: c.exported, stages: make([]*stage, len(c.stages))}
	values := make([]stage, len(c.stages))
	for i, s := range c.stages {
		values[i] = *s
		clone.stages[i] = &values[i]
	}
	return clone
}

func loadCounters(c *conn.Conn) (*counters, error) {
	count := &counters{byName: map[string]*stage{}}
	read, err := c.Prepare("SELECT id, name, blocked, delayed, waiting, in_flight, done, dead, done_total, dead_total FROM stages ORDER BY id")
	if err != nil {
		return nil, err
	}
	err = read.Rows(func() error {
		s := &stage{id: read.ColumnInt(0), name: read.ColumnText(1), doneTotal: read.ColumnInt(8), deadTotal: read.ColumnInt(9)}
		for i := 1; i <= states; i++ {
			s.counts[i] = read.ColumnInt(i + 1)
		}
		count.add(s)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if count.results, err = number(c, "SELECT ifnull(max(value), 0) FROM numbers WHERE name = 'results'"); err != nil {
		return nil, err
	}
	count.exported, err = number(c, "SELECT ifnull(max(value), 0) FROM numbers WHERE name = 'exported'")
	return count, err
}

func (c *counters) add(s *stage) {
	c.stages = append(c.stages, s)
	c.byName[s.name] = s
}

func (c *counters) names() *[]string {
	names := make([]string, len(c.stages))
	for i, s := range c.stages {
		names[i] = s.name
	}
	return &names
}

// save what has changed into the open transaction.
func (c *counters) save(sql *statements) error {
	for _, s := range c.stages {
		if !s.changed {
			continue
		}
		for i := 1; i <= states; i++ {
			sql.saveStage.Int(s.counts[i])
		}
		if err := sql.saveStage.Int(s.doneTotal).Int(s.deadTotal).Int(s.id).Exec(); err != nil {
			return err
		}
	}
	if !c.resultsChanged {
		return nil
	}
	if err := sql.saveNumber.Text("results").Int(c.results).Exec(); err != nil {
		return err
	}
	return sql.saveNumber.Text("exported").Int(c.exported).Exec()
}

// stage by name, which is made where it is missing.
func (w *writer) stage(name string) (*stage, error) {
	if s := w.count.byName[name]; s != nil {
		return s, nil
	}
	s := &stage{id: int64(len(w.count.stages)) + 1, name: name}
	if err := w.sql.insertStage.Int(s.id).Text(name).Exec(); err != nil {
		return nil, err
	}
	w.count.add(s)
	w.s.names.Store(w.count.names())
	return s, nil
}

// idBlock is how many IDs are reserved at once: one small write for so many items. IDs are never used again, as leases go
// by them.
const idBlock = 1 << 16

func (w *writer) newID() (int64, error) {
	if w.next >= w.reserved {
		w.reserved = w.next + idBlock
		if err := w.sql.saveNumber.Text("id").Int(w.reserved).Exec(); err != nil {
			return 0, err
		}
	}
	w.next++
	return w.next - 1, nil
}
