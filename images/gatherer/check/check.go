// Package check tries whether a developer's leaf or merge container keeps its contract. It asks the container over HTTP, as a
// gatherer would, and says rule by rule what came of it.
package check

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/contract"
)

// Result of a rule.
type Result struct {
	Rule string
	// Err is nil where the rule is kept.
	Err error
}

// Bounds of a check.
const (
	patience    = 10 * time.Second // for any one answer
	deadline    = 50 * time.Millisecond
	slack       = time.Second // for giving up after a deadline
	answerBytes = 64 << 20
)

type results []Result

func (r *results) add(rule string, err error) { *r = append(*r, Result{Rule: rule, Err: err}) }

// An answer, as far as it is compared.
type answer struct {
	status      int
	contentType string
	body        []byte
}

func (a answer) ok() error {
	if a.status/100 != 2 {
		return fmt.Errorf("it answers %d instead of 2xx: %s", a.status, excerpt(a.body))
	}
	return nil
}

// differs tells how an answer is not what it should be. JSON is compared by its meaning.
func differs(got, want answer) error {
	switch {
	case got.status != want.status:
		return fmt.Errorf("the status is %d, and not %d: %s", got.status, want.status, excerpt(got.body))
	case got.contentType != want.contentType:
		return fmt.Errorf("Content-Type is %q, and not %q", got.contentType, want.contentType)
	case bytes.Equal(got.body, want.body):
		return nil
	}
	if contract.IsJSON(want.contentType) && want.contentType != "" {
		x, errX := decode(got.body)
		y, errY := decode(want.body)
		if errX == nil && errY == nil && reflect.DeepEqual(x, y) {
			return nil
		}
	}
	return fmt.Errorf("the body is %s, and not %s", excerpt(got.body), excerpt(want.body))
}

func decode(body []byte) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	err = d.Decode(&v)
	return v, err
}

func excerpt(body []byte) string {
	const most = 120
	if len(body) > most {
		return fmt.Sprintf("%q... (%d bytes)", body[:most], len(body))
	}
	return fmt.Sprintf("%q", body)
}

func newClient() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 16},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// ask once.
func ask(ctx context.Context, client *http.Client, method, at string, header http.Header, body []byte) (a answer, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, at, bytes.NewReader(body))
	if err != nil {
		return a, err
	}
	for name, values := range header {
		request.Header[name] = values
	}
	if host := header.Get("Host"); host != "" {
		request.Host = host
	}
	response, err := client.Do(request)
	if err != nil {
		return a, err
	}
	defer response.Body.Close()
	a = answer{status: response.StatusCode, contentType: response.Header.Get("Content-Type")}
	if a.body, err = io.ReadAll(io.LimitReader(response.Body, answerBytes+1)); err != nil {
		return a, fmt.Errorf("read the answer: %w", err)
	}
	if len(a.body) > answerBytes {
		return a, fmt.Errorf("the answer has more than %d bytes", answerBytes)
	}
	return a, nil
}

// giveUp sends requests and goes away: at once, and in the middle of a body.
func giveUp(ctx context.Context, at, method, contentType string, body []byte) error {
	u, err := url.Parse(at)
	if err != nil {
		return err
	}
	host := u.Host
	if u.Port() == "" {
		host = net.JoinHostPort(u.Hostname(), "80")
	}
	for i := range 8 {
		conn, err := (&net.Dialer{Timeout: patience}).DialContext(ctx, "tcp", host)
		if err != nil {
			return fmt.Errorf("connection %d: %w", i, err)
		}
		sent := body
		if i%2 == 1 {
			sent = body[:len(body)/2]
		}
		_, err = fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", method, u.RequestURI(), u.Host, contentType, len(body), sent)
		_ = conn.Close() // that is what is tried
		if err != nil {
			return fmt.Errorf("connection %d: %w", i, err)
		}
	}
	return nil
}

// afterwards tries a few times, since a container needs a moment to see that a connection is gone.
func afterwards(ctx context.Context, try func() error) error {
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for range 4 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		if err := try(); err != nil {
			return err
		}
	}
	return nil
}

// inTime tries a short deadline: an answer of any kind before it, or soon after.
func inTime(try func() error) error {
	began := time.Now()
	err := try()
	if took := time.Since(began); took > deadline+slack {
		return fmt.Errorf("with %s: %d it is still at work after %v: let it look at that header, and give up with 503 or 504", contract.HeaderDeadline, deadline.Milliseconds(), took.Round(time.Millisecond))
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}
