// Package fencing lets a resource refuse those that have led before, and do not know it yet. It depends on nothing but the standard
// library.
//
// Who writes as the leader says its term in the header Fencing-Token (Transport does it). The resource keeps the highest token that it
// has seen, and refuses smaller ones (Check). So nothing of a former leader is written after the first write of the next one, however
// long it was paused, or its request was on the way. (Kleppmann, "How to do distributed locking", 2016; "sequencers" in Burrows, "The
// Chubby lock service for loosely-coupled distributed systems", OSDI 2006.)
//
// What is kept in a database needs no more than a condition, with the token in the same row, or in one of its own that the same
// transaction changes:
//
//	UPDATE accounts SET balance = ?, token = ? WHERE id = ? AND token <= ?
//
// No row has changed: there was a greater token, and the writer leads no more.
//
// # The protocol
//
//	GET, HEAD, OPTIONS    are not checked
//	no Fencing-Token      428 Precondition Required
//	no decimal number     400 Bad Request: 1 to 18446744073709551615, without sign, leading zeros, or space
//	smaller than one before
//	                      412 Precondition Failed
//	the store has failed  503 Service Unavailable
//
// Each with JSON: {"error": "...", "token": 3, "highest": 7}; the numbers where they are known. examples/scenarios/single-writer has a
// resource in JavaScript that does the same.
package fencing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/api"
)

// Header that the token is in.
const Header = api.HeaderToken

// A Store keeps the highest token of each resource. It is safe for concurrent use.
type Store interface {
	// Raise the highest token of a resource to one, if that is greater, and give the highest. When it returns without an error that is
	// kept, whatever happens.
	Raise(ctx context.Context, resource string, token uint64) (highest uint64, err error)
}

// A Refusal is the body of an answer to what was not done.
type Refusal struct {
	Error string `json:"error"`
	// Token of the request.
	Token uint64 `json:"token,omitempty"`
	// Highest that was seen before.
	Highest uint64 `json:"highest,omitempty"`
}

// A Checker is an http.Handler that has others handle the requests of who leads.
//
// The check and what follows it are one: requests with the same token are handled at the same time, as the leader sends them, but one
// with a greater token is handled only when those with smaller ones have been. From when it has come, smaller ones are refused; those that
// are being handled have their contexts ended (the cause is ErrFenced), and can read no more of their bodies, so that a leader that was
// paused within a request does not hold up the next one. Their handlers must return. (The connection of one whose body was not there yet is
// closed after its answer, with http.ErrAbortHandler.)
type Checker struct {
	store Store
	next  http.Handler
	// Resource that a request is about; its path by default. Tokens of one say nothing of another.
	Resource func(*http.Request) string

	mu   sync.Mutex
	busy map[string]*resource
}

// ErrFenced is why the context of a request ends that is handled when one with a greater token comes.
var ErrFenced = errors.New("another one leads: a greater fencing token has come")

// resource that requests are handled of, or wait for.
type resource struct {
	users   int // requests that have it; it is forgotten with the last
	check   sync.Mutex
	token   uint64 // of those that are handled
	running map[*running]bool
	idle    chan struct{} // closed when none is handled any more
}

type running struct {
	end     context.CancelCauseFunc
	control *http.ResponseController
	body    *body
	hurried bool // its body cannot be read any more
}

// body of a request, of which it is known whether it has been read.
type body struct {
	io.ReadCloser
	ended atomic.Bool
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.ended.Store(true)
	}
	return n, err
}

// Check requests by their tokens, which are kept in a store, before they are handled.
func Check(store Store, next http.Handler) *Checker {
	return &Checker{store: store, next: next, Resource: func(r *http.Request) string { return r.URL.Path }, busy: map[string]*resource{}}
}

// ServeHTTP as http.Handler wants it.
func (c *Checker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		c.next.ServeHTTP(w, r)
		return
	}
	token, status, err := tokenOf(r)
	if err != nil {
		refuse(w, status, Refusal{Error: err.Error()})
		return
	}
	name := c.Resource(r)
	is := c.use(name)
	defer c.leave(name, is)

	ctx, end := context.WithCancelCause(r.Context())
	defer end(nil)
	self := &running{end: end, control: http.NewResponseController(w), body: &body{ReadCloser: r.Body}}
	self.body.ended.Store(r.Body == nil || r.Body == http.NoBody)
	highest, err := c.enter(ctx, name, is, token, self)
	switch {
	case err != nil:
		refuse(w, http.StatusServiceUnavailable, Refusal{Error: "the token could not be checked: " + err.Error(), Token: token})
		return
	case highest > token:
		refuse(w, http.StatusPreconditionFailed, Refusal{fmt.Sprintf("the fencing token %d is smaller than %d: another one leads by now", token, highest), token, highest})
		return
	}
	r = r.WithContext(ctx)
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = self.body
	}
	func() {
		defer is.exit(self)
		c.next.ServeHTTP(w, r)
	}()
	if self.hurried { // nothing more can be read of this connection
		_ = self.control.Flush() // if it can be
		panic(http.ErrAbortHandler)
	}
}

func (c *Checker) use(name string) *resource {
	c.mu.Lock()
	defer c.mu.Unlock()
	is := c.busy[name]
	if is == nil {
		is = &resource{running: map[*running]bool{}}
		c.busy[name] = is
	}
	is.users++
	return is
}

func (c *Checker) leave(name string, is *resource) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if is.users--; is.users == 0 {
		delete(c.busy, name)
	}
}

// enter the handling of requests with a token, or give a greater one.
func (c *Checker) enter(ctx context.Context, name string, is *resource, token uint64, self *running) (highest uint64, err error) {
	for {
		is.check.Lock()
		if highest, err = c.store.Raise(ctx, name, token); err != nil || highest > token {
			is.check.Unlock()
			return highest, err
		}
		if len(is.running) == 0 {
			is.token, is.idle = token, make(chan struct{})
		}
		if is.token == token {
			is.running[self] = true
			is.check.Unlock()
			return token, nil
		}
		for old := range is.running { // they have smaller ones: the highest is this
			old.end(ErrFenced)
			if !old.hurried && !old.body.ended.Load() {
				old.hurried = true
				_ = old.control.SetReadDeadline(time.Unix(1, 0)) // if it can be set
			}
		}
		idle := is.idle
		is.check.Unlock()
		select {
		case <-idle:
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
}

func (is *resource) exit(self *running) {
	is.check.Lock()
	defer is.check.Unlock()
	if delete(is.running, self); len(is.running) == 0 {
		close(is.idle)
	}
}

// tokenOf a request; or why it has none, with the status that says so.
func tokenOf(r *http.Request) (token uint64, status int, err error) {
	all := r.Header.Values(Header)
	if len(all) == 0 {
		return 0, http.StatusPreconditionRequired, fmt.Errorf("say the term that you lead in: %s: TERM", Header)
	}
	if token, err = strconv.ParseUint(all[0], 10, 64); err != nil || len(all) > 1 || strconv.FormatUint(token, 10) != all[0] || token == 0 {
		return 0, http.StatusBadRequest, fmt.Errorf("%s must be one decimal number, got %q", Header, all)
	}
	return token, 0, nil
}

func refuse(w http.ResponseWriter, status int, why Refusal) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(why) // who has gone needs no answer
}
