package elector

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/api"
)

// patience with an elector, which may be stopped. Answers that come later are those to nobody.
const patience = 150 * time.Millisecond

// values are unique among all that is written.
var values atomic.Uint64

// client is the application beside an elector, as far as one election goes.
type client struct {
	id       int
	election string // of a set, SET/SHARD
	elector  *elector
	resource *resource
	history  *history
	leads    *leads
	random   *rand.Rand
	lease    time.Duration
	pace     time.Duration
	strange  func(format string, args ...any)

	told atomic.Uint64 // the last term that it led by
}

// run until the context ends.
func (c *client) run(ctx context.Context) {
	for ctx.Err() == nil {
		leads := false
		switch n := c.random.IntN(100); {
		case n < 8:
			c.verify(ctx)
		case n < 16:
			leads = c.ask(ctx, "/watch?wait=50ms")
		case n < 28:
			c.read()
		default:
			leads = c.ask(ctx, "")
		}
		if leads && c.random.IntN(3) == 0 {
			c.write(c.id, c.told.Load())
		}
		wait := c.pace
		if leads { // whoever leads is who is interesting
			wait = c.pace / 8
		}
		pause(ctx, time.Duration(c.random.Int64N(int64(2*wait))))
	}
}

// path of an election of the elector's API.
func path(election string) string {
	if strings.Contains(election, "/") {
		return "/v1/election-sets/" + election
	}
	return "/v1/elections/" + election
}

// ask the elector whether it leads.
func (c *client) ask(ctx context.Context, more string) bool {
	var e api.Election
	o, ok := c.call(ctx, http.MethodGet, more, nil, &e)
	if !ok {
		return false
	}
	o.Kind, o.Term = Follow, e.Term
	if e.Self {
		o.Kind = Claim
		c.told.Store(e.Term)
		c.leads.note(c.election, c.elector, e.Term)
	}
	c.history.note(o)
	return e.Self
}

func (c *client) verify(ctx context.Context) {
	var v api.Verified
	token := c.told.Load()
	if o, ok := c.call(ctx, http.MethodPost, "/verify", api.Verify{Token: token}, &v); ok {
		if v.Valid != (v.Term == token) {
			c.strange("%s: the token %d is valid: %t, of term %d", c.election, token, v.Valid, v.Term)
		}
		o.Kind, o.Term = Verify, v.Term
		c.history.note(o)
	}
}

// call the elector; false if it does not answer, or has no answer.
func (c *client) call(ctx context.Context, method, more string, in, out any) (o Operation, ok bool) {
	base, life, client := c.elector.at()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil { // plain data
			panic(err)
		}
		body = bytes.NewReader(raw)
	}
	request, err := http.NewRequestWithContext(ctx, method, base+path(c.election)+more, body)
	if err != nil {
		panic(err)
	}
	o = Operation{Election: c.election, Client: c.id, Elector: c.elector.number, Life: life, Call: c.history.now()}
	response, err := client.Do(request)
	if err != nil {
		return o, false
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		if response.StatusCode != http.StatusServiceUnavailable {
			c.strange("%s %s: %s", method, request.URL, response.Status)
		}
		return o, false
	}
	return o, json.NewDecoder(response.Body).Decode(out) == nil
}

// late writes with a token that was good a while ago, as one does who was stopped between being told and writing.
func (c *client) late(ctx context.Context, id int, random *rand.Rand) {
	for ctx.Err() == nil {
		token := c.told.Load()
		pause(ctx, time.Duration(random.Int64N(int64(2*c.lease))))
		if token > 0 {
			c.write(id, token)
		}
	}
}

func (c *client) write(id int, token uint64) {
	o := Operation{Election: c.election, Kind: Write, Client: id, Elector: c.elector.number, Call: c.history.now(), Term: token, Value: values.Add(1)}
	var err error
	if o.Accepted, err = c.resource.write(c.election, token, o.Value); err != nil {
		c.strange("write: %v", err)
		return
	}
	c.history.note(o)
}

func (c *client) read() {
	o := Operation{Election: c.election, Kind: Read, Client: c.id, Elector: c.elector.number, Call: c.history.now()}
	is, err := c.resource.read(c.election)
	if err != nil {
		c.strange("read: %v", err)
		return
	}
	o.Term, o.Value = is.Token, is.Value
	c.history.note(o)
}

// pause between two attempts.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// resign asks an elector to give a seat to another one, or "" for whoever takes it.
func resign(ctx context.Context, e *elector, election, to string, patience time.Duration) error {
	base, _, client := e.at()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, base+path(election)+"/resign?to="+to, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("resign: %s", response.Status)
	}
	return nil
}
