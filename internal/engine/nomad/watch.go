package nomad

import (
	"context"
	"time"

	"github.com/hashicorp/nomad/api"
)

// turn is how long a query may block: less when there are so many waits that they have to share the connections.
func (e *Engine) turn() time.Duration {
	if e.waits.Load()*watches > maxConnections/2 {
		return time.Second
	}
	return blockingTime
}

// watches of each wait.
const watches = 3

// watch hangs on three blocking queries, and hands over what they bring.
func (w *waiter) watch(ctx context.Context, changes chan<- func(), failed chan<- error) {
	c, err := w.engine.connect()
	if err != nil {
		failed <- err
		return
	}
	follow := func(doing string, ask func(q *api.QueryOptions) (func(), *api.QueryMeta, error)) {
		index := uint64(0)
		for {
			q := w.engine.query(ctx, w.key.Namespace)
			q.WaitIndex, q.WaitTime = index, w.engine.turn()
			var change func()
			var meta *api.QueryMeta
			err := steady(ctx, func() (err error) {
				change, meta, err = ask(q)
				return err
			})
			if err != nil {
				failed <- w.engine.fault(doing+" of "+object(w.key), err)
				return
			}
			index = max(meta.LastIndex, 1) // 0 would not block
			select {
			case changes <- change:
			case <-ctx.Done():
				return
			}
		}
	}
	go follow("watch the allocations", func(q *api.QueryOptions) (func(), *api.QueryMeta, error) {
		got, meta, err := c.Jobs().Allocations(w.key.Name, false, q)
		return func() { w.allocs, w.seen.allocs = got, true }, meta, err
	})
	go follow("watch the deployment", func(q *api.QueryOptions) (func(), *api.QueryMeta, error) {
		got, meta, err := c.Jobs().LatestDeployment(w.key.Name, q)
		return func() { w.deployment, w.seen.deployment = got, true }, meta, err
	})
	go follow("watch the evaluations", func(q *api.QueryOptions) (func(), *api.QueryMeta, error) {
		got, meta, err := c.Jobs().Evaluations(w.key.Name, q)
		return func() { w.evals, w.seen.evals = got, true }, meta, err
	})
}
