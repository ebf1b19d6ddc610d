package main_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
)

// queue is the worker's part of the API, in memory: leases with epochs that end, and payloads.
type queue struct {
	*httptest.Server

	mu         sync.Mutex
	changed    *sync.Cond
	visibility time.Duration
	order      []string
	items      map[string]*item
	payloads   map[string][]byte
	away, hole bool // refuses connections; does what it is asked and does not answer
	drain      bool
	doubles    int // acks of items that were done already by another lease
	requests   map[string]int
	largest    int // items in one ack
}

type item struct {
	api.Lease
	state    api.State
	epoch    int
	attempts int
	due      time.Time
	outputs  map[string][]byte
	failure  api.Failure
	delay    string
	nacks    []api.Nack
}

func newQueue(visibility time.Duration) *queue {
	q := &queue{visibility: visibility, items: map[string]*item{}, payloads: map[string][]byte{}, requests: map[string]int{}}
	q.changed = sync.NewCond(&q.mu)
	q.Server = httptest.NewServer(q)
	return q
}

func (q *queue) push(name, content string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := &item{state: api.Waiting}
	i.Name, i.Size = name, int64(len(content))
	if len(content) > 32<<10 {
		i.Payload = "blob:in/" + name
		q.payloads[i.Payload] = []byte(content)
	} else {
		i.Data = []byte(content)
	}
	q.items[name] = i
	q.order = append(q.order, name)
	q.changed.Broadcast()
}

// get gives a copy.
func (q *queue) get(name string) item {
	q.mu.Lock()
	defer q.mu.Unlock()
	return *q.items[name]
}

func (q *queue) count(states ...api.State) (n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, i := range q.items {
		if slices.Contains(states, i.state) {
			n++
		}
	}
	return n
}

func (q *queue) set(change func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	change()
	q.changed.Broadcast()
}

func (q *queue) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q.mu.Lock()
	away, hole := q.away, q.hole
	q.requests[r.URL.Path]++
	q.mu.Unlock()
	if away {
		panic(http.ErrAbortHandler)
	}
	if r.Header.Get("Authorization") != "Bearer secret" {
		w.WriteHeader(http.StatusUnauthorized)
		_ = json.NewEncoder(w).Encode(api.Error{Code: "unauthorized", Message: "wrong token"})
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	var answer any
	switch path := r.URL.Path; {
	case path == "/v1/stages/stage/receive":
		answer = q.receive(r, decode[api.ReceiveRequest](body))
	case path == "/v1/leases/extend":
		answer = q.each(decode[api.ExtendRequest](body).Leases, func(_ int, i *item) { i.due = time.Now().Add(q.visibility) })
	case path == "/v1/leases/ack":
		answer = q.ack(decode[api.AckRequest](body).Items)
	case path == "/v1/leases/nack":
		answer = q.nack(decode[api.NackRequest](body).Items)
	case path == "/v1/payloads":
		sum := sha256.Sum256(body)
		a := api.PayloadAnswer{Payload: "blob:" + hex.EncodeToString(sum[:]), Size: int64(len(body)), SHA256: hex.EncodeToString(sum[:])}
		q.set(func() { q.payloads[a.Payload] = body })
		answer = a
	case strings.HasPrefix(path, "/v1/payloads/"):
		q.mu.Lock()
		content, found := q.payloads[strings.TrimPrefix(path, "/v1/payloads/")]
		q.mu.Unlock()
		if !found {
			w.WriteHeader(http.StatusNotFound)
			_ = json.NewEncoder(w).Encode(api.Error{Code: "not_found", Message: "no such payload"})
			return
		}
		_, _ = w.Write(content)
		return
	}
	if hole {
		panic(http.ErrAbortHandler)
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func decode[T any](body []byte) (v T) {
	if err := json.Unmarshal(body, &v); err != nil {
		panic(err)
	}
	return v
}

func (q *queue) receive(r *http.Request, request api.ReceiveRequest) (a api.ReceiveAnswer) {
	wait, _ := time.ParseDuration(request.Wait)
	until := time.Now().Add(wait)
	q.mu.Lock()
	defer q.mu.Unlock()
	a.Leases = []api.Lease{}
	for {
		if q.drain {
			a.Drain = true
			return a
		}
		for _, name := range q.order {
			i := q.items[name]
			if i.state == api.InFlight && time.Now().After(i.due) {
				i.state = api.Waiting
			}
			if i.state != api.Waiting || len(a.Leases) == request.Max {
				continue
			}
			i.state, i.due = api.InFlight, time.Now().Add(q.visibility)
			i.epoch++
			i.attempts++
			i.Lease.Lease, i.Attempt, i.VisibleForMillis = fmt.Sprintf("%s.%d", name, i.epoch), i.attempts, q.visibility.Milliseconds()
			a.Leases = append(a.Leases, i.Lease)
		}
		q.order = slices.DeleteFunc(q.order, func(name string) bool {
			return q.items[name].state == api.Done || q.items[name].state == api.Dead
		})
		if len(a.Leases) > 0 || time.Now().After(until) || r.Context().Err() != nil {
			return a
		}
		timer := time.AfterFunc(20*time.Millisecond, q.changed.Broadcast)
		q.changed.Wait()
		timer.Stop()
	}
}

func (q *queue) each(leases []string, good func(n int, i *item)) (a api.ResultsAnswer) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for n, lease := range leases {
		at := strings.LastIndexByte(lease, '.')
		i := q.items[lease[:at]]
		if i.Lease.Lease != lease || i.state != api.InFlight {
			if i.state == api.Done {
				q.doubles++
			}
			a.Results = append(a.Results, &api.Error{Code: "lease_lost", Message: "lease lost"})
			continue
		}
		good(n, i)
		a.Results = append(a.Results, nil)
	}
	q.changed.Broadcast()
	return a
}

func (q *queue) ack(acks []api.Ack) api.ResultsAnswer {
	leases := make([]string, len(acks))
	for n, ack := range acks {
		leases[n] = ack.Lease
	}
	q.set(func() { q.largest = max(q.largest, len(acks)) })
	return q.each(leases, func(n int, i *item) {
		i.state, i.outputs = api.Done, map[string][]byte{}
		for _, o := range acks[n].Outputs {
			i.outputs[o.Name] = o.Data
			if o.Payload != "" {
				i.outputs[o.Name] = q.payloads[o.Payload]
			}
		}
	})
}

func (q *queue) nack(nacks []api.Nack) api.ResultsAnswer {
	leases := make([]string, len(nacks))
	for n, nack := range nacks {
		leases[n] = nack.Lease
	}
	return q.each(leases, func(n int, i *item) {
		i.failure, i.delay = nacks[n].Failure, nacks[n].Delay
		i.nacks = append(i.nacks, nacks[n])
		switch {
		case nacks[n].Permanent || i.attempts >= 3 && !nacks[n].Release:
			i.state = api.Dead
		default:
			i.state = api.Waiting
			if nacks[n].Release {
				i.attempts--
			}
		}
	})
}
