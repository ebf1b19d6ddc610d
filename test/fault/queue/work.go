package queue

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
)

// push all items until each is acknowledged. A batch of which nobody knows is pushed again, by the same names.
func push(ctx context.Context, c *client, l *ledger, batch int) error {
	for from := 0; from < len(l.pushed) && ctx.Err() == nil; from += batch {
		var request api.EnqueueRequest
		for i := from; i < min(from+batch, len(l.pushed)); i++ {
			request.Items = append(request.Items, api.NewItem{Name: itemName(i), Text: itemName(i)})
		}
		for ctx.Err() == nil && len(request.Items) > 0 {
			var answer api.EnqueueAnswer
			if err := c.call(ctx, http.MethodPost, "/v1/items", clientToken, request, &answer); err != nil {
				if refusedForGood(err) {
					return fmt.Errorf("push: %w", err)
				}
				l.mu.Lock()
				l.failed = err
				l.mu.Unlock()
				pause(ctx, 20*time.Millisecond)
				continue
			}
			var again []api.NewItem
			l.mu.Lock()
			for k, item := range answer.Items {
				i, _ := itemNumber(request.Items[k].Name)
				if l.pushed[i] = item.Error == nil; item.Error != nil {
					again, l.failed = append(again, request.Items[k]), item.Error
				}
			}
			l.progress += len(request.Items) - len(again)
			l.mu.Unlock()
			request.Items = again
		}
	}
	return nil
}

// works numbers what goroutines do; those of processes are above 1<<40.
var works atomic.Int64

// hand is a worker that speaks the API. Now and then it holds what it has for longer than its leases last.
type hand struct {
	client *client
	ledger *ledger
	stage  string
	name   string
	index  int
	random *rand.Rand
	late   time.Duration
	wait   time.Duration
}

func (h *hand) run(ctx context.Context) {
	for ctx.Err() == nil {
		var received api.ReceiveAnswer
		err := h.client.call(ctx, http.MethodPost, "/v1/stages/"+h.stage+"/receive", workerToken,
			api.ReceiveRequest{Worker: h.name, Index: h.index, Max: 100, Wait: h.wait.String()}, &received)
		if err != nil {
			pause(ctx, 20*time.Millisecond)
			continue
		}
		if len(received.Leases) == 0 {
			continue
		}
		acks, work := h.do(received.Leases)
		if h.late > 0 && h.random.IntN(40) == 0 {
			pause(ctx, h.late)
		}
		h.acknowledge(ctx, acks, received.Leases, work)
	}
}

func (h *hand) do(leases []api.Lease) (acks []api.Ack, work []int64) {
	for _, lease := range leases {
		n := works.Add(1)
		content := fmt.Appendf(lease.Data[:len(lease.Data):len(lease.Data)], " %s:%d", h.stage, n)
		h.ledger.note(h.stage, lease.Name, func(e *entry) { e.effects++ })
		name := lease.Name
		if h.stage == stageB { // else the second of two outputs of an item could be refused for its name alone
			name += fmt.Sprintf("/%d", n)
		}
		acks = append(acks, api.Ack{Lease: lease.Lease, Outputs: []api.Output{{Name: name, Data: content}}})
		work = append(work, n)
	}
	return acks, work
}

// acknowledge until the server has taken or refused each, or a lease would be long gone.
func (h *hand) acknowledge(ctx context.Context, acks []api.Ack, leases []api.Lease, work []int64) {
	asked := false // before, without an answer: who is refused then may have been taken before
	for end := time.Now().Add(20 * time.Second); len(acks) > 0; {
		var answer api.ResultsAnswer
		err := h.client.call(ctx, http.MethodPost, "/v1/leases/ack", workerToken, api.AckRequest{Items: acks}, &answer)
		if err != nil || len(answer.Results) != len(acks) {
			asked = true
			if ctx.Err() != nil || time.Now().After(end) {
				for i := range acks {
					h.ledger.note(h.stage, leases[i].Name, func(e *entry) { e.open = append(e.open, work[i]) })
				}
				return
			}
			pause(ctx, 20*time.Millisecond)
			continue
		}
		kept, maybe := 0, false
		for i, result := range answer.Results {
			switch {
			case result == nil:
				h.ledger.note(h.stage, leases[i].Name, func(e *entry) {
					e.granted++
					e.work = work[i]
					h.ledger.progress++
				})
			case result.Code == "lease_lost":
				h.ledger.note(h.stage, leases[i].Name, func(e *entry) {
					h.ledger.refused++
					if asked {
						e.open = append(e.open, work[i])
					}
				})
			case refusedForGood(result):
				h.ledger.note(h.stage, leases[i].Name, func(*entry) {
					h.ledger.strange = append(h.ledger.strange, fmt.Sprintf("ack of %s in %s: %s: %s", leases[i].Name, h.stage, result.Code, result.Message))
				})
			default:
				acks[kept], leases[kept], work[kept] = acks[i], leases[i], work[i]
				kept, maybe = kept+1, true
			}
		}
		asked = asked || maybe
		acks, leases, work = acks[:kept], leases[:kept], work[:kept]
		if kept > 0 {
			pause(ctx, 20*time.Millisecond)
		}
	}
}
