package wire

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/api"
	"github.com/container-patterns/terraform-provider-pattern/images/elector/config"
	"github.com/container-patterns/terraform-provider-pattern/images/elector/election"
)

// elections as an election.Agent knows them.
type elections interface {
	Names() []string
	Status(name string) (election.Status, error)
	Changed() (<-chan struct{}, uint64)
}

// callbacks tell the application what it has become: of each election in the order in which it became so, and of many at once.
type callbacks struct {
	config.Callbacks
	agent  elections
	log    *slog.Logger
	client *http.Client

	ctx     context.Context // of all posts
	end     context.CancelFunc
	telling sync.WaitGroup
	// places of posts at once; who is demoted does not wait for who is elected.
	electing, demoting chan struct{}

	mu  sync.Mutex
	all map[string]*course
}

// course of what the application is told of one election.
type course struct {
	is      uint64             // term in which this elector leads; 0 if it does not
	told    uint64             // term of which the application has been told that it leads, and not yet that it does no more
	abandon context.CancelFunc // what is being told of being elected
	done    chan struct{}      // closed when all is told; nil if it is
}

// postsAtOnce to one application, of either kind.
const postsAtOnce = 64

// An application that does not answer that it is elected is told again after a while, which doubles up to a limit.
const (
	againFirst = 50 * time.Millisecond
	againLast  = 2 * time.Second
)

// look so often for terms that have ended without a word, besides when they should: the machine may have slept.
const look = 250 * time.Millisecond

func newCallbacks(c config.Callbacks, log *slog.Logger) *callbacks {
	ctx, end := context.WithCancel(context.Background())
	return &callbacks{
		Callbacks: c, log: log, ctx: ctx, end: end, all: map[string]*course{},
		electing: make(chan struct{}, postsAtOnce), demoting: make(chan struct{}, postsAtOnce),
		client: &http.Client{
			Timeout:       c.Timeout.Std(),
			Transport:     &http.Transport{MaxIdleConnsPerHost: 2 * postsAtOnce, IdleConnTimeout: time.Minute}, // by no proxy
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// none tells that the application wants no callbacks.
func (c *callbacks) none() bool { return c.OnElected == "" && c.OnDemoted == "" }

// run tells of changes until the context ends.
func (c *callbacks) run(ctx context.Context) error {
	defer c.telling.Wait()
	defer func() {
		c.mu.Lock() // of update, which begins nothing after this
		defer c.mu.Unlock()
		c.end()
	}()
	if c.none() {
		<-ctx.Done()
		return nil
	}
	names := c.agent.Names()
	timer := time.NewTimer(look)
	defer timer.Stop()
	for {
		changed, _ := c.agent.Changed()
		next := look
		for _, name := range names {
			if s := c.update(name); s.Self {
				next = min(next, s.ExpiresIn+time.Millisecond)
			}
		}
		timer.Reset(next)
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-timer.C:
		}
	}
}

// update what is to be told of an election. How it is is asked for under the lock, so that nobody goes by what has been before.
func (c *callbacks) update(name string) election.Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, _ := c.agent.Status(name) // it is one of its names
	is := uint64(0)
	if s.Self {
		is = s.Term
	}
	w := c.all[name]
	if w == nil {
		w = &course{}
		c.all[name] = w
	}
	if w.is == is {
		return s
	}
	w.is = is
	if w.abandon != nil {
		w.abandon()
	}
	if w.done == nil && c.ctx.Err() == nil {
		w.done = make(chan struct{})
		c.telling.Go(func() { c.tell(name, w) })
	}
	return s
}

// tell the application of an election until it knows what is.
func (c *callbacks) tell(name string, w *course) {
	for {
		c.mu.Lock()
		term := w.is
		switch {
		case w.told != 0 && w.told != term:
			term, w.told = w.told, 0
			c.mu.Unlock()
			if err := c.post(c.ctx, c.demoting, c.OnDemoted, api.Election{Name: name, Term: term}); err != nil && c.ctx.Err() == nil {
				c.log.Warn("the application has not answered that it leads no more", "election", name, "term", term, "error", err.Error())
			}
		case w.told == 0 && term != 0:
			ctx, cancel := context.WithCancel(c.ctx)
			w.told, w.abandon = term, cancel
			c.mu.Unlock()
			c.elected(ctx, name, term)
			cancel()
		default:
			close(w.done)
			w.done, w.abandon = nil, nil
			c.mu.Unlock()
			return
		}
	}
}

// elected tells the application that it leads until it answers, or does not lead any more.
func (c *callbacks) elected(ctx context.Context, name string, term uint64) {
	for pause := againFirst; ; pause = min(2*pause, againLast) {
		s, _ := c.agent.Status(name) // it is one of its names
		if !s.Self || s.Term != term {
			return
		}
		e := api.Election{Name: name, Leader: s.Leader, Address: s.Address, Self: true, Term: term, ExpiresInMS: s.ExpiresIn.Milliseconds()}
		err := c.post(ctx, c.electing, c.OnElected, e)
		if err == nil || ctx.Err() != nil {
			return
		}
		c.log.Warn("the application has not answered that it leads: it is told again", "election", name, "term", term, "error", err.Error())
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// demoted has the application told that it leads no more, if it was told that it does, and waits for its answer, for as long as it
// may take to answer.
func (c *callbacks) demoted(ctx context.Context, name string) {
	if c.none() {
		return
	}
	c.update(name)
	c.mu.Lock()
	done := c.all[name].done
	c.mu.Unlock()
	if done == nil {
		return
	}
	timer := time.NewTimer(c.Timeout.Std())
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// post one callback, when there is a place for it.
func (c *callbacks) post(ctx context.Context, places chan struct{}, url string, e api.Election) error {
	if url == "" {
		return nil
	}
	select {
	case places <- struct{}{}:
		defer func() { <-places }()
	case <-ctx.Done():
		return ctx.Err()
	}
	body, err := json.Marshal(e)
	if err != nil { // plain data
		panic(err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := c.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10)) // so that the connection is used again
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("it answers with %s", response.Status)
	}
	return nil
}
