// Package client asks the elector on localhost who leads. It depends on nothing but the standard library.
//
//	err := (&client.Client{}).Run(ctx, "one", func(ctx context.Context, term uint64) error {
//		// work as the leader until ctx ends, and say the term with all that is written (package fencing)
//	})
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/api"
)

// DefaultURL of the elector.
const DefaultURL = "http://127.0.0.1:4040"

// A Client of one elector. The zero value asks the one at DefaultURL. It is safe for concurrent use.
type Client struct {
	// URL of the elector.
	URL string
	// HTTP is how it is asked. Default: directly, by no proxy.
	HTTP *http.Client
}

// An Election is what the elector has said of one.
type Election struct {
	api.Election
	// Until then Self holds at most, by the local monotonic clock: it is counted from before the elector was asked.
	Until time.Time
}

// Leads tells whether the own group leads, as far as it is known: the elector has said so, and the time that it has given is not over.
func (e Election) Leads() bool { return e.Self && time.Now().Before(e.Until) }

// ErrNotLeader is what is given to those that must lead and do not.
var ErrNotLeader = errors.New("this group does not lead")

// An Error is an answer of the elector's API other than 200.
type Error struct {
	Status int
	// Text says what is wrong.
	Text string
	// Election as it is, where that is why; nil otherwise.
	Election *api.Election
}

func (e *Error) Error() string {
	return fmt.Sprintf("the elector answers with %d: %s", e.Status, e.Text)
}

// Is tells that 409 is ErrNotLeader.
func (e *Error) Is(target error) bool {
	return target == ErrNotLeader && e.Status == http.StatusConflict
}

var direct = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16, IdleConnTimeout: time.Minute}}

// askWithin is how long an answer from localhost may take.
const askWithin = 2 * time.Second

// Leader tells who leads an election; one of a set is SET/SHARD.
func (c *Client) Leader(ctx context.Context, election string) (Election, error) {
	return c.ask(ctx, http.MethodGet, election, "", askWithin)
}

// Renew what an application that leads has to renew (campaign = "app"), and tell for how long it leads. The error is ErrNotLeader if it
// does not.
func (c *Client) Renew(ctx context.Context, election string) (Election, error) {
	return c.ask(ctx, http.MethodPost, election, "/renew", askWithin)
}

// Anyone takes an election that is resigned from in favour of it.
const Anyone = "*"

// Resign from an election, in favour of a member, Anyone who is ready to lead (it is an error if nobody is), or "" for whoever takes it
// some time.
func (c *Client) Resign(ctx context.Context, election, to string) error {
	path := "/resign"
	if to != "" {
		path += "?to=" + url.QueryEscape(to)
	}
	_, err := c.ask(ctx, http.MethodPost, election, path, 0) // the elector waits for callbacks
	return err
}

// wait of one request that waits.
const wait = 30 * time.Second

// Watch tells how an election is, and whenever it changes, until the context ends. If the elector does not answer it asks again. What is
// told may be late: Leads only says what Leader has just been asked for.
func (c *Client) Watch(ctx context.Context, election string, tell func(Election)) error {
	var is Election
	path := "/watch"
	for pause := againFirst; ; {
		next, err := c.ask(ctx, http.MethodGet, election, path, wait+askWithin)
		var wrong *Error
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, &wrong) && wrong.Status < 500:
			return err
		case err != nil:
			if !pass(ctx, pause) {
				return ctx.Err()
			}
			pause = min(2*pause, againLast)
			path = "/watch"
			continue
		}
		if path == "/watch" || next.Leader != is.Leader || next.Self != is.Self || next.Term != is.Term || next.Address != is.Address {
			tell(next)
		}
		is, pause = next, againFirst
		path = fmt.Sprintf("/watch?wait=%s&index=%d", wait, is.Index)
	}
}

// An elector that does not answer is asked again after a while, which doubles up to a limit.
const (
	againFirst = 20 * time.Millisecond
	againLast  = time.Second
)

func pass(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// ask the elector; within 0 is as long as the context allows.
func (c *Client) ask(ctx context.Context, method, election, path string, within time.Duration) (Election, error) {
	if within > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, within)
		defer cancel()
	}
	base, by := c.URL, c.HTTP
	if base == "" {
		base = DefaultURL
	}
	if by == nil {
		by = direct
	}
	of := "/v1/elections/"
	if strings.Contains(election, "/") {
		of = "/v1/election-sets/"
	}
	request, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(base, "/")+of+election+path, nil)
	if err != nil {
		return Election{}, err
	}
	asked := time.Now()
	response, err := by.Do(request)
	if err != nil {
		return Election{}, err
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return Election{}, err
	}
	if response.StatusCode != http.StatusOK {
		said := api.Error{}
		if json.Unmarshal(raw, &said) != nil || said.Error == "" {
			said.Error = string(bytes.TrimSpace(raw))
		}
		return Election{}, &Error{response.StatusCode, said.Error, said.Election}
	}
	out := Election{}
	if err := json.Unmarshal(raw, &out.Election); err != nil {
		return Election{}, fmt.Errorf("what answers at %s is no elector: %w", base, err)
	}
	if out.Self {
		out.Until = asked.Add(time.Duration(out.ExpiresInMS) * time.Millisecond)
	}
	return out, nil
}
