// Package remote talks to the queue's servers: the worker's part of the API, to whichever of them answers.
package remote

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
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
)

// maxAnswer bounds an answer that is read into memory: a receive of 100 items, each as large as a server keeps inline.
const maxAnswer = 32 << 20

// requestTimeout is for one request that waits for nothing.
const requestTimeout = 30 * time.Second

// A Client is safe for concurrent use.
type Client struct {
	endpointsFile, tokenFile string
	stage                    string
	http                     *http.Client

	current atomic.Uint32 // counts up when a server does not answer; the endpoint is this modulo their number
	mu      sync.Mutex
	reached time.Time // zero until the first answer
	last    error     // of the last request; nil if it was answered
}

// New makes a client for the items of one stage. The files are read with each request, as they change.
func New(endpointsFile, tokenFile, stage string) *Client {
	transport := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		MaxIdleConnsPerHost: 8,
		IdleConnTimeout:     90 * time.Second,
		DisableCompression:  true, // costs more memory than the worker itself
		ReadBufferSize:      16 << 10,
		WriteBufferSize:     16 << 10,
	}
	return &Client{endpointsFile: endpointsFile, tokenFile: tokenFile, stage: stage, http: &http.Client{Transport: transport}}
}

// A Failure is a request that was answered with an error, or not at all (Status 0).
type Failure struct {
	Status int
	Code   string
	Err    error
}

func (f *Failure) Error() string { return f.Err.Error() }
func (f *Failure) Unwrap() error { return f.Err }

// Refused says that the same request would be refused again: it is wrong, or too large.
func Refused(err error) bool {
	var f *Failure
	if !errors.As(err, &f) {
		return false
	}
	switch f.Status {
	case 0, http.StatusUnauthorized, http.StatusForbidden, http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false // tokens are exchanged; the others pass
	}
	return f.Status < 500
}

// Up says when the last answer came (zero: never), and why the last request was not answered; nil if it was.
func (c *Client) Up() (reached time.Time, last error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reached, c.last
}

// Receive asks for items, and waits for the first of them.
func (c *Client) Receive(ctx context.Context, r api.ReceiveRequest, wait time.Duration) (a api.ReceiveAnswer, err error) {
	r.Wait = wait.String()
	err = c.call(ctx, wait+requestTimeout, "/v1/stages/"+url.PathEscape(c.stage)+"/receive", r, &a)
	return a, err
}

// Extend starts visibility timeouts anew.
func (c *Client) Extend(ctx context.Context, leases []string) ([]*api.Error, error) {
	return c.results(ctx, "/v1/leases/extend", api.ExtendRequest{Leases: leases}, len(leases))
}

// Ack commits items.
func (c *Client) Ack(ctx context.Context, items []api.Ack) ([]*api.Error, error) {
	return c.results(ctx, "/v1/leases/ack", api.AckRequest{Items: items}, len(items))
}

// Nack gives items back.
func (c *Client) Nack(ctx context.Context, items []api.Nack) ([]*api.Error, error) {
	return c.results(ctx, "/v1/leases/nack", api.NackRequest{Items: items}, len(items))
}

func (c *Client) results(ctx context.Context, path string, request any, n int) ([]*api.Error, error) {
	var a api.ResultsAnswer
	if err := c.call(ctx, requestTimeout, path, request, &a); err != nil {
		return nil, err
	}
	if len(a.Results) != n {
		return nil, fmt.Errorf("POST %s: %d results for %d entries", path, len(a.Results), n)
	}
	return a.Results, nil
}

// Upload stores content of a size and names it.
func (c *Client) Upload(ctx context.Context, content io.Reader, size int64) (string, error) {
	response, err := c.do(ctx, http.MethodPost, "/v1/payloads", content, size)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	var a api.PayloadAnswer
	if err := json.NewDecoder(io.LimitReader(response.Body, 1<<20)).Decode(&a); err != nil {
		return "", fmt.Errorf("POST /v1/payloads: answer: %w", err)
	}
	if a.Size != size {
		return "", fmt.Errorf("POST /v1/payloads: %d of %d bytes were taken", a.Size, size)
	}
	return a.Payload, nil
}

// Download streams the content of an item. The caller closes it.
func (c *Client) Download(ctx context.Context, payload string) (io.ReadCloser, error) {
	segments := strings.Split(payload, "/")
	for i, segment := range segments {
		segments[i] = url.PathEscape(segment)
	}
	response, err := c.do(ctx, http.MethodGet, "/v1/payloads/"+strings.Join(segments, "/"), nil, 0)
	if err != nil {
		return nil, err
	}
	return response.Body, nil
}

// Close lets connections go.
func (c *Client) Close() { c.http.CloseIdleConnections() }

func (c *Client) call(ctx context.Context, timeout time.Duration, path string, request, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	body, err := json.Marshal(request)
	if err != nil {
		return fmt.Errorf("POST %s: %w", path, err)
	}
	response, err := c.do(ctx, http.MethodPost, path, bytes.NewReader(body), int64(len(body)))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	limited := &io.LimitedReader{R: response.Body, N: maxAnswer}
	if err := json.NewDecoder(limited).Decode(answer); err != nil {
		return fmt.Errorf("POST %s: answer: %w", path, err)
	}
	_, _ = io.Copy(io.Discard, limited) // to its end, so that the connection is used again
	return nil
}

// do sends one request to one server. An answer that is not 2xx is a Failure; a server that is away, or says that it cannot
// serve, makes the next one the current one, for the next request.
func (c *Client) do(ctx context.Context, method, path string, body io.Reader, size int64) (*http.Response, error) {
	at := c.current.Load()
	endpoint, err := c.endpoint(at)
	if err != nil {
		return nil, c.failed(ctx, err)
	}
	token, err := os.ReadFile(c.tokenFile)
	if err != nil {
		return nil, c.failed(ctx, fmt.Errorf("read the queue's token: %w", err))
	}
	if body != nil && size == 0 {
		body = http.NoBody
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://"+endpoint+path, body)
	if err != nil {
		return nil, fmt.Errorf("queue server %s: %w", endpoint, err)
	}
	request.ContentLength = size
	first, _, _ := strings.Cut(strings.TrimSpace(string(token)), "\n")
	request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(first))
	if method == http.MethodPost {
		request.Header.Set("Content-Type", "application/json")
		if path == "/v1/payloads" {
			request.Header.Set("Content-Type", "application/octet-stream")
		}
	}
	response, err := c.http.Do(request)
	if err != nil {
		if ctx.Err() == nil || errors.Is(ctx.Err(), context.DeadlineExceeded) {
			c.current.CompareAndSwap(at, at+1)
		}
		return nil, c.failed(ctx, fmt.Errorf("queue server %s: %w", endpoint, err))
	}
	if response.StatusCode/100 == 2 {
		c.mu.Lock()
		c.reached, c.last = time.Now(), nil
		c.mu.Unlock()
		return response, nil
	}
	defer response.Body.Close()
	told, _ := io.ReadAll(io.LimitReader(response.Body, 8<<10))
	failure := &Failure{Status: response.StatusCode}
	var e api.Error
	if json.Unmarshal(told, &e) != nil || e.Message == "" {
		e.Message = strings.TrimSpace(string(told))
	}
	failure.Code = e.Code
	failure.Err = fmt.Errorf("queue server %s: %s %s: %s: %s", endpoint, method, path, response.Status, e.Message)
	if response.StatusCode >= 500 {
		c.current.CompareAndSwap(at, at+1)
	}
	if Refused(failure) {
		c.mu.Lock() // it is there, and has answered
		c.reached, c.last = time.Now(), nil
		c.mu.Unlock()
		return nil, failure
	}
	return nil, c.failed(ctx, failure)
}

func (c *Client) failed(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return err // our own doing
	}
	c.mu.Lock()
	c.last = err
	c.mu.Unlock()
	return err
}

func (c *Client) endpoint(at uint32) (string, error) {
	data, err := os.ReadFile(c.endpointsFile)
	if err != nil {
		return "", fmt.Errorf("read the queue's endpoints: %w", err)
	}
	all := strings.Fields(string(data))
	if len(all) == 0 {
		return "", fmt.Errorf("read the queue's endpoints: %s names no server", c.endpointsFile)
	}
	return all[int(at%uint32(len(all)))], nil //nolint:gosec // a file has fewer lines than that
}
