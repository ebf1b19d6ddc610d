package scatter

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/contract"
	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/replicas"
	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/upstream"
)

// kind of an attempt.
type kind int

const (
	none kind = iota
	first
	retry
	hedge
)

func (k kind) String() string { return [...]string{"none", "first", "retry", "hedge"}[k] }

const reasonTimeout = "timeout"

// attempt one replica, and others after failures, until the call is settled or nothing is left to try.
func (c *call) attempt(k kind) {
	for {
		f, number, err := c.pick(k)
		if err != nil {
			c.over(k, err.Error())
			return
		}
		if f == nil { // settled meanwhile
			c.over(k, "")
			return
		}
		answered, again, why := c.ask(f, k, number)
		if answered || !again || !c.mayRetry(f, why) {
			c.over(k, why)
			return
		}
		if k == first {
			k = retry
		}
	}
}

// pick a replica that was not tried, or any where all were.
func (c *call) pick(k kind) (*flight, int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.settled {
		return nil, 0, nil
	}
	r, err := c.child.Set.Pick(c.tried...)
	if err != nil && len(c.tried) > 0 {
		r, err = c.child.Set.Pick()
	}
	if err != nil {
		return nil, 0, err
	}
	c.number++
	c.tried = append(c.tried, r)
	f := &flight{replica: r}
	c.flights = append(c.flights, f)
	c.child.meters.attempts(k)
	c.child.counts.attempts[k].Add(1)
	return f, c.number, nil
}

// mayRetry notes a failure, and says whether another attempt may follow it.
func (c *call) mayRetry(failed *flight, why string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flights = slices.DeleteFunc(c.flights, func(f *flight) bool { return f == failed })
	c.last = why
	if c.settled || c.retries >= c.g.rules.retries || time.Now().After(c.g.deadline) {
		return false
	}
	c.retries++
	return true
}

// over ends an attempt. The last one settles a call to which nobody has answered.
func (c *call) over(k kind, why string) {
	c.mu.Lock()
	c.running--
	if why != "" {
		c.last = why
	}
	open := c.running == 0 && !c.settled
	c.mu.Unlock()
	if open {
		c.settle(k, nil, func() { c.failed = why })
	}
}

// ask a replica once. Answered means that there is nothing left to do for this attempt.
func (c *call) ask(f *flight, k kind, number int) (answered, again bool, why string) {
	begun := time.Now()
	span := c.g.r.Span.Child(c.child.Name, f.replica.Address)
	request := upstream.Request{ // its time is the gathering's, which cancels it
		Method: c.g.r.method(), Head: c.head, Body: c.g.r.Body,
		Extra: c.extra(number, c.g.deadline.Sub(begun), span),
	}
	response, err := f.replica.Pool().Do(&f.Call, &request)
	if err == nil {
		answered, again, why, err = c.read(f, k, response)
	}
	took := time.Since(begun)
	switch {
	case err == nil && !again:
		f.replica.Done(took, replicas.Success, "")
	case errors.Is(err, upstream.ErrCancelled):
		// The call is settled: another was quicker, or time is up. Only who had all the time there is has failed.
		if timeUp := !time.Now().Before(c.g.deadline); timeUp && k == first && c.g.given >= c.g.rules.deadline/2 {
			f.replica.Done(took, replicas.Failure, reasonTimeout)
		} else {
			f.replica.Done(took, replicas.Cancelled, "")
		}
		answered = true
	case err != nil && !errors.Is(err, upstream.ErrTooLarge):
		again, why = true, reason(err)
		f.replica.Done(took, replicas.Failure, why)
	case err != nil:
		f.replica.Done(took, replicas.Success, "")
		why = reason(err)
	default:
		f.replica.Done(took, replicas.Failure, why)
	}
	span.End(why)
	return answered, again, why
}

// read an answer and settle the call with it, or say why not.
func (c *call) read(f *flight, k kind, r *upstream.Response) (answered, again bool, why string, err error) {
	status := r.Status
	var missing []contract.Missing
	if told := r.Get(contract.HeaderMissing); told != "" {
		if missing, err = contract.ParseMissing(told); err != nil {
			r.Close()
			return false, false, "", &upstream.ProtocolError{Reason: contract.HeaderMissing + ": " + err.Error()}
		}
		missing = c.theirs(missing)
	}
	switch {
	case status/100 == 2:
	case c.child.Parent && status == http.StatusServiceUnavailable && len(missing) > 0:
		// The parent is well, its leaves are not, and it has said which.
		r.Close()
		c.settle(k, f, func() { c.missing, c.answer.Status = missing, noContent })
		return true, false, "", nil
	case status == http.StatusBadGateway || status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout || status == http.StatusTooManyRequests:
		r.Close()
		return false, true, fmt.Sprintf("status %d", status), nil
	}
	got := answer{Status: status, ContentType: r.ContentType, flight: f}
	if c.g.rules.caching {
		got.CacheControl = r.Get("Cache-Control")
	}
	if c.g.s.KeepHeaders {
		got.Header = http.Header{}
		r.Each(func(name, value string) { got.Header.Add(name, value) })
	}
	if c.g.streamed && status/100 == 2 {
		got.Stream = r
	} else {
		got.buffer = upstream.NewBuffer()
		limit := c.g.rules.partBytes
		if status/100 != 2 {
			limit = min(limit, maxRefusalBytes)
		}
		err = r.ReadAll(limit, got.buffer)
		r.Close()
		if err != nil {
			got.release()
			return false, false, "", err
		}
		got.Body = got.buffer.B
	}
	failed := ""
	if status/100 != 2 {
		failed = fmt.Sprintf("status %d", status)
	}
	if !c.settle(k, f, func() { c.answer, c.missing, c.failed = got, missing, failed }) {
		got.release()
	}
	return true, false, failed, nil
}

// maxRefusalBytes of the body of an answer that is no part.
const maxRefusalBytes = 64 << 10

// theirs are the missing shards as they are named here: those of a leaf that is itself a scatter/gather are below its own.
func (c *call) theirs(missing []contract.Missing) []contract.Missing {
	if c.child.Parent {
		return missing
	}
	for i := range missing {
		missing[i].Shard = shardName(c.asked[0]) + "/" + missing[i].Shard
	}
	return missing
}

// reason of a failure, in a few words.
func reason(err error) string {
	var protocol *upstream.ProtocolError
	var dial *upstream.DialError
	switch {
	case errors.Is(err, upstream.ErrTooLarge):
		return "too large"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return reasonTimeout
	case errors.As(err, &protocol):
		return "not valid HTTP: " + protocol.Reason
	case errors.As(err, &dial):
		return "no connection: " + last(err)
	}
	return "connection lost: " + last(err)
}

// last part of an error's text, which is its cause.
func last(err error) string {
	text := err.Error()
	return strings.TrimSpace(text[strings.LastIndexByte(text, ':')+1:])
}
