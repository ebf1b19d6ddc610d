package server

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// key of a request: those of one key get the same answer. It has everything that children may answer to, by policy.vary.
func (t *task) key(r *http.Request) string {
	var b strings.Builder
	b.WriteString(r.Host)
	b.WriteByte('\n')
	b.WriteString(t.request.Target)
	b.WriteByte('\n')
	b.WriteString(r.Header.Get(t.p.ask.header))
	for _, name := range t.p.vary {
		b.WriteByte('\n')
		b.WriteString(strings.Join(slices.Clone(r.Header[name]), "\x00"))
	}
	return b.String()
}

// flights are requests under way, which others that are the same wait for.
type flights struct {
	mu  sync.Mutex
	all map[string]*flight
}

type flight struct {
	done    chan struct{}
	answer  *made
	waiting int
	cancel  context.CancelFunc
}

// do has one of all requests of a key that come while it is under way gathered; shared is called for each other. It is given up
// when the last one's client has gone. The answer is nil where the client of this one has.
func (f *flights) do(ctx context.Context, key string, gather func(context.Context) *made, shared func()) *made {
	f.mu.Lock()
	if f.all == nil {
		f.all = map[string]*flight{}
	}
	one := f.all[key]
	if one == nil {
		// The one that is first may leave first: the work is everybody's.
		own, cancel := context.WithCancel(context.WithoutCancel(ctx))
		one = &flight{done: make(chan struct{}), cancel: cancel}
		f.all[key] = one
		go func() {
			answer := gather(own).own()
			f.mu.Lock()
			if f.all[key] == one {
				delete(f.all, key)
			}
			one.answer = answer
			f.mu.Unlock()
			cancel()
			close(one.done)
		}()
	} else {
		shared()
	}
	one.waiting++
	f.mu.Unlock()

	select {
	case <-one.done:
		return one.answer
	case <-ctx.Done():
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if one.waiting--; one.waiting == 0 {
		one.cancel()
		if f.all[key] == one {
			delete(f.all, key) // who comes now begins anew
		}
	}
	return nil
}
