package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/config"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/scale"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
)

// waiting tells how many long polls stand in line.
func (r *rig) waiting(stage string) int {
	w := &r.s.waiters
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.all[stage])
}

// poll in the background by n workers, each once.
func (r *rig) poll(n int, wait string) <-chan []api.Lease {
	out := make(chan []api.Lease, n)
	var all sync.WaitGroup
	for range n {
		all.Go(func() { out <- r.receive("work", 1, wait) })
	}
	go func() { all.Wait(); close(out) }()
	return out
}

func TestOneItemGoesToOneOfManyWhoWaitAtOnce(t *testing.T) {
	r := newRig(t, one())
	out := r.poll(64, "3s")
	require.Eventually(t, func() bool { return r.waiting("work") == 64 }, soon, time.Millisecond)
	begun := time.Now()
	r.push(api.NewItem{Name: "a"})
	first := <-out
	took := time.Since(begun)
	require.Len(t, first, 1)
	assert.Less(t, took, 500*time.Millisecond, "it is woken and does not look by itself")
	for rest := range out {
		assert.Empty(t, rest)
	}
	assert.Zero(t, r.waiting("work"), "nobody is left in line")
}

func TestManyItemsReachAllWhoWait(t *testing.T) {
	r := newRig(t, one())
	const workers, items = 64, 1000
	var mu sync.Mutex
	seen := map[string]int{}
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for {
				l := r.receive("work", 1, "2s")
				if len(l) == 0 {
					return
				}
				mu.Lock()
				seen[l[0].Name]++
				mu.Unlock()
				r.ack(api.Ack{Lease: l[0].Lease})
			}
		})
	}
	require.Eventually(t, func() bool { return r.waiting("work") == workers }, soon, time.Millisecond)
	batch := make([]api.NewItem, items)
	for i := range batch {
		batch[i].Name = fmt.Sprint("item-", i)
	}
	r.push(batch...)
	all.Wait()
	assert.Len(t, seen, items)
	for name, n := range seen {
		assert.Equal(t, 1, n, name)
	}
	assert.EqualValues(t, items, r.status().Stages[0].Counts[api.Done])
}

func TestATurnOfOneWhoHasGoneIsNotLost(t *testing.T) {
	r := newRig(t, one())
	for round := range 20 {
		// The first in line go away while an item comes.
		ctx, cancel := context.WithCancel(t.Context())
		var gone sync.WaitGroup
		for range 8 {
			gone.Go(func() {
				q, _ := http.NewRequestWithContext(ctx, "POST", r.url+"/v1/stages/work/receive", strings.NewReader(`{"worker":"gone","max":1,"wait":"20s"}`))
				q.Header.Set("Authorization", "Bearer "+workerToken)
				if a, err := r.client.Do(q); err == nil {
					var out api.ReceiveAnswer
					_ = json.NewDecoder(a.Body).Decode(&out)
					a.Body.Close()
					for _, l := range out.Leases { // received in time: given back
						r.nack(api.Nack{Lease: l.Lease, Release: true})
					}
				}
			})
		}
		require.Eventually(t, func() bool { return r.waiting("work") == 8 }, soon, time.Millisecond)
		stays := r.poll(1, "20s")
		require.Eventually(t, func() bool { return r.waiting("work") == 9 }, soon, time.Millisecond)
		go cancel()
		r.push(api.NewItem{Name: fmt.Sprint(round)})
		gone.Wait()
		select {
		case l := <-stays:
			require.LessOrEqual(t, len(l), 1)
		case <-time.After(5 * time.Second):
			// Its answer went to one who was gone: then it is in flight, and not waiting while somebody waits for it.
			require.Equal(t, api.InFlight, r.item("work", fmt.Sprint(round)).State)
			r.push(api.NewItem{Name: fmt.Sprint("another-", round)})
			require.Len(t, <-stays, 1)
		}
	}
}

func TestADrainAnswersWhoWaitsAtOnce(t *testing.T) {
	r := newRig(t, one())
	out := r.poll(8, "30s")
	told := make(chan int, 1)
	version := r.status().Version
	go func() {
		told <- r.ask("GET", fmt.Sprintf("/v1/status?wait=30s&since=%d", version), clientToken, nil).status
	}()
	require.Eventually(t, func() bool { return r.waiting("work") == 8 }, soon, time.Millisecond)
	begun := time.Now()
	r.s.Drain()
	for l := range out {
		assert.Empty(t, l)
	}
	assert.Equal(t, 200, <-told)
	assert.Less(t, time.Since(begun), 5*time.Second)
}

func TestTheStatusIsToldWhenItChanges(t *testing.T) {
	r := newRig(t, one())
	before := r.status()
	got := make(chan api.Status, 1)
	begun := time.Now()
	go func() {
		for v := before.Version; ; {
			var s api.Status
			r.must("GET", fmt.Sprintf("/v1/status?wait=30s&since=%d", v), clientToken, nil, &s)
			if v = s.Version; s.Stages[0].Counts[api.Waiting] > 0 {
				got <- s
				return
			}
		}
	}()
	r.push(api.NewItem{Name: "a"})
	s := <-got
	assert.Greater(t, s.Version, before.Version)
	assert.Less(t, time.Since(begun), 5*time.Second)
	assert.Equal(t, []string{config.Source}, s.Stages[0].From)
	r.receive("work", 1, "")
	assert.Equal(t, 1, r.status().Stages[0].Workers)
}

// scaled is a configuration whose stage has up to three workers.
func scaled() *config.Config {
	c := stages(map[string]config.Stage{"work": {Workers: config.Workers{Min: new(1), Max: new(3)}}})
	c.Scale = &config.Scale{Instance: "x", Groups: map[string]string{"work": "work"}}
	return c
}

func TestAWorkerThatIsToGoGetsNothingMore(t *testing.T) {
	r := newRig(t, scaled())
	require.NoError(t, r.store.SetMark(t.Context(), scale.MarkKey("work"), "2"))
	require.Eventually(t, func() bool { w := r.status().Stages[0].Wanted; return w != nil && *w == 2 }, soon, 50*time.Millisecond)
	r.push(api.NewItem{Name: "a"})
	ask := func(index int, wait string) (out api.ReceiveAnswer) {
		r.must("POST", "/v1/stages/work/receive", workerToken, api.ReceiveRequest{Worker: "w", Index: index, Max: 1, Wait: wait}, &out)
		return out
	}
	if n, bounded := scale.Limit("2"); !bounded || n != 2 {
		t.Fatal("the mark is written otherwise")
	}
	out := ask(2, "5s")
	assert.True(t, out.Drain)
	assert.Empty(t, out.Leases)
	out = ask(1, "5s")
	assert.False(t, out.Drain)
	require.Len(t, out.Leases, 1)
	assert.Equal(t, 2, *r.status().Stages[0].Wanted)
	// One who waits already is told soon.
	done := make(chan api.ReceiveAnswer, 1)
	begun := time.Now()
	go func() { done <- ask(1, "30s") }()
	require.Eventually(t, func() bool { return r.waiting("work") == 1 }, soon, time.Millisecond)
	require.NoError(t, r.store.SetMark(t.Context(), scale.MarkKey("work"), "1"))
	assert.True(t, (<-done).Drain)
	assert.Less(t, time.Since(begun), 8*time.Second)
	assert.Zero(t, r.waiting("work"))
}

// slow is a store whose receives take until they are let go.
type slow struct {
	store.Store
	begun, let chan struct{}
}

func (s *slow) Receive(ctx context.Context, q store.Receive) ([]store.Item, error) {
	s.begun <- struct{}{}
	<-s.let
	return s.Store.Receive(ctx, q)
}

func TestWhatIsReceivedTooLateForAWorkerThatIsToGoIsGivenBack(t *testing.T) {
	s := &slow{begun: make(chan struct{}, 100), let: make(chan struct{})}
	r := newRig(t, scaled(), func(r *rig) {
		r.wrap = func(inner store.Store) store.Store { s.Store = inner; return s }
	})
	require.NoError(t, r.store.SetMark(t.Context(), scale.MarkKey("work"), "2"))
	r.push(api.NewItem{Name: "a"})
	done := make(chan api.ReceiveAnswer, 1)
	go func() {
		var out api.ReceiveAnswer
		r.must("POST", "/v1/stages/work/receive", workerToken, api.ReceiveRequest{Worker: "w", Index: 1, Max: 1}, &out)
		done <- out
	}()
	<-s.begun
	require.NoError(t, r.store.SetMark(t.Context(), scale.MarkKey("work"), "1"))
	let := time.Now().Add(scale.Grace + 100*time.Millisecond)
	require.Eventually(t, func() bool { return time.Now().After(let) }, soon, 10*time.Millisecond)
	close(s.let)
	out := <-done
	assert.True(t, out.Drain)
	assert.Empty(t, out.Leases)
	i := r.item("work", "a")
	assert.Equal(t, api.Waiting, i.State)
	assert.Zero(t, i.Attempt, "it does not count as an attempt")
}
