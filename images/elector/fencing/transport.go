package fencing

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/client"
)

// A Transport is an http.RoundTripper that says the term of an election that the own group leads. Where it does not lead, nothing is sent,
// and the error is client.ErrNotLeader. It is asked for each request.
//
// In a function that client.Run runs, use Token with its term instead: the term of the work, and not one that begins meanwhile.
type Transport struct {
	// Elector to ask; nil is the one at client.DefaultURL.
	Elector *client.Client
	// Election by its name; one of a set is SET/SHARD.
	Election string
	// Base sends the requests; nil is http.DefaultTransport.
	Base http.RoundTripper
}

// RoundTrip as http.RoundTripper wants it.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	elector, base := t.Elector, t.Base
	if elector == nil {
		elector = &client.Client{}
	}
	if base == nil {
		base = http.DefaultTransport
	}
	is, err := elector.Leader(r.Context(), t.Election)
	switch {
	case err != nil:
		err = fmt.Errorf("it is not known who leads %s: %w", t.Election, err)
	case !is.Leads():
		err = fmt.Errorf("%s: %w", t.Election, client.ErrNotLeader)
	default:
		out := r.Clone(r.Context())
		Token(out, is.Term)
		return base.RoundTrip(out)
	}
	if r.Body != nil {
		r.Body.Close()
	}
	return nil, err
}

// Token sets the token of a request.
func Token(r *http.Request, term uint64) { r.Header.Set(Header, strconv.FormatUint(term, 10)) }
