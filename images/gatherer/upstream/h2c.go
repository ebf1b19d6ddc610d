package upstream

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"
)

// multiplexed connections of HTTP/2 without TLS.
type multiplexed struct {
	address   string
	transport *http.Transport

	mu     sync.Mutex
	active int
	closed bool
}

func newMultiplexed(address string, o Options) *multiplexed {
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	return &multiplexed{address: address, transport: &http.Transport{
		Protocols:              &protocols,
		DisableCompression:     true,
		IdleConnTimeout:        o.IdleTimeout,
		MaxResponseHeaderBytes: int64(o.HeaderBytes),
		// A peer that is gone without a word is noticed between calls.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 5 * time.Second},
	}}
}

// close idle connections now, and others as soon as they are idle.
func (m *multiplexed) close() {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.transport.CloseIdleConnections()
}

func (m *multiplexed) begin() {
	m.mu.Lock()
	m.active++
	m.mu.Unlock()
}

func (m *multiplexed) end() {
	m.mu.Lock()
	m.active--
	last := m.closed && m.active == 0
	m.mu.Unlock()
	if last {
		m.transport.CloseIdleConnections()
	}
}

// h2Response is what a Response has of net/http.
type h2Response struct {
	*http.Response
	m    *multiplexed
	ctx  context.Context
	stop context.CancelFunc
}

func (m *multiplexed) do(c *Call, r *Request) (*Response, error) {
	request, err := m.request(r)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	if !r.Deadline.IsZero() {
		var stopTimer context.CancelFunc
		inner := stop
		ctx, stopTimer = context.WithDeadline(ctx, r.Deadline)
		stop = func() { stopTimer(); inner() }
	}
	if !c.stoppable(stop) {
		stop()
		return nil, ErrCancelled
	}
	m.begin()
	answer, err := m.transport.RoundTrip(request.WithContext(ctx)) //nolint:bodyclose // Response.Close does
	if err != nil {
		c.leave()
		err = m.explain(ctx, err)
		stop()
		m.end()
		return nil, c.explain(err)
	}
	response := &c.response
	response.reset(c, nil)
	response.h2 = &h2Response{Response: answer, m: m, ctx: ctx, stop: stop}
	response.Status = answer.StatusCode
	response.ContentType = answer.Header.Get("Content-Type")
	response.ContentLength = answer.ContentLength
	if r.Method == http.MethodHead {
		response.ContentLength = 0
	}
	for _, value := range answer.Header.Values("Content-Encoding") {
		response.declared.encoded([]byte(value))
	}
	if response.ContentLength == 0 {
		response.declared.coding, response.done = plain, true
	} else if response.declared.coding != plain {
		response.ContentLength = -1
	}
	return response, nil
}

// request of net/http, made from the head of HTTP/1.1.
func (m *multiplexed) request(r *Request) (*http.Request, error) {
	line, lines, _ := bytes.Cut(r.Head, []byte("\r\n"))
	method, rest, _ := strings.Cut(string(line), " ")
	target, _, _ := strings.Cut(rest, " ")
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return nil, err
	}
	u.Scheme, u.Host = "http", m.address
	request := &http.Request{Method: method, URL: u, Header: http.Header{}, Proto: "HTTP/2.0", ProtoMajor: 2}
	for _, part := range [][]byte{lines, r.Extra} {
		for {
			name, value, after, ok := cutField(part)
			if !ok {
				break
			}
			part = after
			switch {
			case fold(name, "host"):
				request.Host = string(value)
			case hidden(string(name), false):
			default:
				request.Header.Add(string(name), string(value))
			}
		}
	}
	if _, told := request.Header["User-Agent"]; !told {
		request.Header["User-Agent"] = nil // none, instead of net/http's own
	}
	if len(r.Body) > 0 {
		body := r.Body
		request.ContentLength = int64(len(body))
		request.Body = io.NopCloser(bytes.NewReader(body))
		request.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	}
	return request, nil
}

// explain errors as those of HTTP/1.1 are.
func (m *multiplexed) explain(ctx context.Context, err error) error {
	var op *net.OpError
	dialing := errors.As(err, &op) && op.Op == "dial"
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = errors.Join(os.ErrDeadlineExceeded, err)
	}
	if dialing {
		return &DialError{Address: m.address, Err: err}
	}
	return err
}

func (h *h2Response) read(r *Response, p []byte) (int, error) {
	if r.rawErr != nil {
		return 0, r.rawErr
	}
	n, err := h.Body.Read(p)
	switch {
	case err == nil:
	case errors.Is(err, io.EOF):
		r.done, r.rawErr = true, io.EOF
	default:
		r.rawErr = h.m.explain(h.ctx, err)
	}
	return n, r.rawErr
}

// end the stream; the connection has others.
func (h *h2Response) end(r *Response) {
	r.call.leave()
	h.stop()
	h.Body.Close()
	h.m.end()
}
