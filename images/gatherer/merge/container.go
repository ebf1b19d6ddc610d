package merge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/config"
	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/contract"
	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/trace"
	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/upstream"
)

// container is the developer's server.
type container struct {
	url    string
	format string
	limit  int64
	client *http.Client
}

func newClient(keep bool) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				c, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, network, address)
				if err != nil {
					return nil, err
				}
				return upstream.Quick(c), nil
			},
			MaxIdleConnsPerHost: 256, IdleConnTimeout: 30 * time.Second, DisableCompression: true, DisableKeepAlives: !keep, MaxResponseHeaderBytes: 32 << 10,
			WriteBufferSize: 32 << 10, ReadBufferSize: 32 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func newContainer(c *config.Container, limits config.Limits) *container {
	m := &container{url: c.URL, format: c.Format, limit: limits.AnswerBytes, client: newClient(true)}
	if m.format == "" {
		m.format = contract.FormatJSON
	}
	return m
}

func asked(in *Request, coverage contract.Coverage) contract.Asked {
	a := contract.Asked{
		Request:  contract.Original{Method: in.Method, Path: in.Path, Query: in.Query, Headers: in.Header},
		Root:     in.Root,
		Coverage: coverage, DeadlineMS: left(in),
	}
	if a.Request.Headers == nil {
		a.Request.Headers = http.Header{} // an object, and not null
	}
	if utf8.Valid(in.Body) {
		a.Request.Body = string(in.Body)
	} else {
		a.Request.BodyBase64 = in.Body
	}
	return a
}

// left are the milliseconds until the deadline.
func left(in *Request) int64 { return max(1, time.Until(in.Deadline).Milliseconds()) }

func (m *container) Merge(ctx context.Context, in *Request, parts []Part, coverage contract.Coverage) (*Answer, error) {
	all := contract.MergeRequest{Asked: asked(in, coverage), Parts: make([]contract.MergePart, len(parts))}
	for i := range parts {
		p := &parts[i]
		if m.format == contract.FormatJSON {
			if !contract.IsJSON(p.ContentType) {
				return nil, partError(i, "its type is %q, and the merge takes JSON", p.ContentType)
			}
			if err := valid(p.Body); err != nil {
				return nil, &PartError{Index: i, Err: err}
			}
		}
		all.Parts[i] = contract.MergePart{Child: p.Child, Shards: p.Shards, Status: p.Status, ContentType: p.ContentType, Headers: p.Header, Body: p.Body}
	}
	var body bytes.Buffer
	body.Grow(size(parts) + 512*len(parts) + 1024 + len(in.Body))
	contentType, err := contract.WriteMerge(&body, m.format, &all)
	if err != nil {
		return nil, err
	}
	response, err := post(ctx, m.client, m.url, contentType, in, &body)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.ContentLength > m.limit {
		return nil, m.tooLarge()
	}
	var answer bytes.Buffer
	answer.Grow(int(max(response.ContentLength, 0)) + bytes.MinRead)
	_, err = answer.ReadFrom(io.LimitReader(response.Body, m.limit+1))
	switch {
	case err != nil:
		return nil, explain(m.url, err)
	case int64(answer.Len()) > m.limit:
		return nil, m.tooLarge()
	}
	return &Answer{Status: response.StatusCode, ContentType: response.Header.Get("Content-Type"), Header: passed(response.Header), Body: answer.Bytes()}, nil
}

func (m *container) tooLarge() error {
	return fmt.Errorf("the merge container at %s answers with more than %d bytes: let it answer with less, or raise limits.answer_bytes", m.url, m.limit)
}

// post parts, and see that the answer is one.
func post(ctx context.Context, client *http.Client, url, contentType string, in *Request, body io.Reader) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", contentType)
	request.Header.Set(contract.HeaderDeadline, strconv.FormatInt(left(in), 10))
	span := in.Span.Child("merge", request.URL.Host)
	span.Set(request.Header)
	// A merge has no effects, so that it is asked again where it has closed the connection meanwhile. This header is not sent.
	request.Header["Idempotency-Key"] = nil
	response, err := client.Do(request)
	if err != nil {
		err = explain(url, err)
		span.End(err.Error())
		return nil, err
	}
	if response.StatusCode/100 == 2 {
		response.Body = spanned{response.Body, span}
		return response, nil
	}
	defer span.End(response.Status)
	defer response.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(response.Body, 200)) // only to say more
	return nil, fmt.Errorf("the merge container at %s answers %s instead of 2xx (its log may say why): %s", url, response.Status, strings.ToValidUTF8(string(said), "?"))
}

// spanned ends the span of a request with the body of its answer.
type spanned struct {
	io.ReadCloser
	span *trace.Span
}

func (s spanned) Close() error {
	s.span.End("")
	return s.ReadCloser.Close()
}

func explain(url string, err error) error {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("the merge container at %s did not answer before the deadline: make it faster, or raise policy.deadline or policy.reserve: %w", url, context.DeadlineExceeded)
	case errors.Is(err, context.Canceled):
		return err
	}
	return fmt.Errorf("the merge container at %s did not answer (is it up, and does it listen there?): %w", url, err)
}

// passed are the headers of a merge's answer that go on to the client.
func passed(h http.Header) http.Header {
	for _, list := range h["Connection"] {
		for name := range strings.SplitSeq(list, ",") {
			h.Del(strings.TrimSpace(name))
		}
	}
	for _, name := range []string{
		"Connection", "Content-Length", "Content-Type", "Date", "Keep-Alive", "Proxy-Connection", "Server", "Trailer", "Transfer-Encoding", "Upgrade",
		contract.HeaderCoverage, contract.HeaderMissing, // the gatherer's to say
	} {
		h.Del(name)
	}
	return h
}
