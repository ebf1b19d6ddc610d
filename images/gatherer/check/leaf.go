package check

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/contract"
)

// Request that a leaf is tried with.
type Request struct {
	Method string
	// Path with its query.
	Path   string
	Header http.Header
	Body   []byte
}

// Leaf tries a leaf at a URL such as http://127.0.0.1:8080.
func Leaf(ctx context.Context, at string, r Request) []Result {
	var out results
	client := newClient()
	defer client.CloseIdleConnections()
	at = strings.TrimSuffix(at, "/") + "/" + strings.TrimPrefix(r.Path, "/")
	once := func(more http.Header) (answer, error) {
		h := http.Header{}
		for _, from := range []http.Header{r.Header, more} {
			for name, values := range from {
				h[name] = values
			}
		}
		return ask(ctx, client, r.Method, at, h, r.Body)
	}
	plain, err := once(nil)
	if err == nil {
		err = plain.ok()
	}
	out.add("a plain request is answered with 2xx", err)
	if err != nil {
		return out // nothing else would say more
	}
	same := func(rule string, more http.Header) {
		got, err := once(more)
		if err == nil {
			err = differs(got, plain)
		}
		out.add(rule, err)
	}
	if len(plain.body) > 0 && plain.contentType == "" {
		err = errors.New("there is a body, and no Content-Type: merges go by it")
	}
	out.add("a body has a Content-Type", err)
	same("asked twice, the answer is the same (requests are retried and hedged)", nil)
	same("the headers of a gatherer change nothing", http.Header{
		contract.HeaderDeadline: {strconv.FormatInt(patience.Milliseconds(), 10)},
		contract.HeaderShard:    {"0"}, contract.HeaderShards: {"1"}, contract.HeaderAttempt: {"2"},
		"Traceparent": {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}, "Accept-Encoding": {"gzip"}, "Via": {"1.1 root"},
	})
	out.add("many requests at once get the same answer", atOnce(16, func() error {
		got, err := once(nil)
		if err != nil {
			return err
		}
		return differs(got, plain)
	}))
	out.add("a short "+contract.HeaderDeadline+" is kept, by an answer or by giving up", inTime(func() error {
		_, err := once(http.Header{contract.HeaderDeadline: {strconv.FormatInt(deadline.Milliseconds(), 10)}})
		return err
	}))
	err = giveUp(ctx, at, r.Method, r.Header.Get("Content-Type"), r.Body)
	if err == nil {
		err = afterwards(ctx, func() error {
			got, err := once(nil)
			if err != nil {
				return err
			}
			return differs(got, plain)
		})
	}
	out.add("requests that are cancelled (losers of a hedge are) do no harm", err)
	return out
}

// atOnce gives the first error of n calls.
func atOnce(n int, call func() error) error {
	faults := make(chan error, n)
	for range n {
		go func() { faults <- call() }()
	}
	var first error
	for range n {
		if err := <-faults; err != nil && first == nil {
			first = fmt.Errorf("with %d at once: %w", n, err)
		}
	}
	return first
}
