package wire

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/api"
	"github.com/container-patterns/terraform-provider-pattern/images/elector/config"
	"github.com/container-patterns/terraform-provider-pattern/images/elector/election"
)

// callbacks tell the application what it has become. They are told once of each term, elected before demoted.
type callbacks struct {
	config.Callbacks
	agent  *election.Agent
	log    *slog.Logger
	client *http.Client

	mu   sync.Mutex
	told map[string]uint64 // the term that the application was told of, while it leads
}

func newCallbacks(c config.Callbacks, log *slog.Logger) *callbacks {
	return &callbacks{Callbacks: c, log: log, client: &http.Client{Timeout: c.Timeout.Std()}, told: map[string]uint64{}}
}

// run tells of changes until the context ends.
func (c *callbacks) run(ctx context.Context) error {
	names := c.agent.Names()
	tick := time.NewTicker(50 * time.Millisecond) // a term also ends by itself, without a change
	defer tick.Stop()
	for {
		changed, _ := c.agent.Changed()
		for _, name := range names {
			s, err := c.agent.Status(name)
			if err != nil {
				continue
			}
			c.mu.Lock()
			term, leads := c.told[name]
			c.mu.Unlock()
			switch {
			case leads && (!s.Self || s.Term != term):
				c.demoted(ctx, name)
			case !leads && s.Self:
				c.mu.Lock()
				c.told[name] = s.Term
				c.mu.Unlock()
				c.post(ctx, c.OnElected, api.Election{Name: name, Leader: s.Leader, Address: s.Address, Self: true, Term: s.Term, ExpiresInMS: s.ExpiresIn.Milliseconds()})
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-tick.C:
		}
	}
}

// demoted tells the application that it leads no more, if it was told that it does.
func (c *callbacks) demoted(ctx context.Context, name string) {
	c.mu.Lock()
	term, leads := c.told[name]
	delete(c.told, name)
	c.mu.Unlock()
	if leads {
		c.post(ctx, c.OnDemoted, api.Election{Name: name, Term: term})
	}
}

func (c *callbacks) post(ctx context.Context, url string, e api.Election) {
	if url == "" {
		return
	}
	body, err := json.Marshal(e)
	if err != nil { // plain data
		panic(err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err == nil {
		request.Header.Set("Content-Type", "application/json")
		var response *http.Response
		if response, err = c.client.Do(request); err == nil {
			response.Body.Close()
			if response.StatusCode/100 == 2 {
				return
			}
			c.log.Warn("a callback was not answered with 2xx", "url", url, "election", e.Name, "status", response.Status)
			return
		}
	}
	if ctx.Err() == nil {
		c.log.Warn("a callback was not answered", "url", url, "election", e.Name, "error", err.Error())
	}
}
