package merge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/textproto"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/config"
	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/contract"
)

// The bodies that a merge container gets. openapi.yaml of package contract says the same.
type (
	// Asked is what all forms begin with.
	Asked struct {
		Request Original `json:"request"`
		// Root: the answer is the client's.
		Root bool `json:"root"`
		// DeadlineMS is how many milliseconds are left.
		DeadlineMS int64             `json:"deadline_ms"`
		Coverage   contract.Coverage `json:"coverage"`
	}
	// Original is the client's request.
	Original struct {
		Method  string      `json:"method"`
		Path    string      `json:"path"`
		Query   string      `json:"query"`
		Headers http.Header `json:"headers"`
		// Body where it is text; else Base64.
		Body   string `json:"body,omitempty"`
		Base64 []byte `json:"body_base64,omitempty"`
	}
	// JSONPart is a part in the JSON form.
	JSONPart struct {
		Child       string          `json:"child"`
		Shards      []int           `json:"shards"`
		Status      int             `json:"status"`
		ContentType string          `json:"content_type"`
		Headers     http.Header     `json:"headers,omitempty"`
		Body        json.RawMessage `json:"body"`
	}
	// JSONBody is the whole of the JSON form.
	JSONBody struct {
		Asked
		Parts []JSONPart `json:"parts"`
	}
	// Record is a line of the streamed form, after the first one, which is an Asked.
	Record struct {
		Shards []int           `json:"shards"`
		Record json.RawMessage `json:"record"`
	}
)

// Names in the multipart form.
const (
	// RequestPart is the name of the first part, an Asked in JSON.
	RequestPart = "request"
	// HeaderShards of a part: its shards, as "0-3".
	HeaderShards = "Pattern-Part-Shards"
	// HeaderChild of a part, and HeaderStatus of the answer that it was.
	HeaderChild  = "Pattern-Part-Child"
	HeaderStatus = "Pattern-Part-Status"
)

// container is the developer's server.
type container struct {
	url       string
	multipart bool
	limit     int64
	client    *http.Client
}

func newClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: time.Second}).DialContext,
			MaxIdleConnsPerHost: 256, IdleConnTimeout: 30 * time.Second, DisableCompression: true, MaxResponseHeaderBytes: 32 << 10,
			WriteBufferSize: 32 << 10, ReadBufferSize: 32 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func newContainer(c *config.Container, limits config.Limits) *container {
	return &container{url: c.URL, multipart: c.Format == "multipart", limit: limits.AnswerBytes, client: newClient()}
}

func asked(in *Request, coverage contract.Coverage) Asked {
	a := Asked{
		Request:  Original{Method: in.Method, Path: in.Path, Query: in.Query, Headers: in.Header},
		Root:     in.Root,
		Coverage: coverage, DeadlineMS: max(1, time.Until(in.Deadline).Milliseconds()),
	}
	if utf8.Valid(in.Body) {
		a.Request.Body = string(in.Body)
	} else {
		a.Request.Base64 = in.Body
	}
	return a
}

func (m *container) Merge(ctx context.Context, in *Request, parts []Part, coverage contract.Coverage) (*Answer, error) {
	var body bytes.Buffer
	body.Grow(size(parts) + 512*len(parts) + 1024)
	contentType := jsonType
	var err error
	if m.multipart {
		contentType, err = writeMultipart(&body, asked(in, coverage), parts)
	} else {
		err = writeJSON(&body, asked(in, coverage), parts)
	}
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, m.url, &body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", contentType)
	request.Header.Set(contract.HeaderDeadline, strconv.FormatInt(max(1, time.Until(in.Deadline).Milliseconds()), 10))
	response, err := m.client.Do(request)
	if err != nil {
		return nil, explain(m.url, err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, m.limit+1))
	switch {
	case err != nil:
		return nil, explain(m.url, err)
	case int64(len(answer)) > m.limit:
		return nil, fmt.Errorf("the merge container at %s answers with more than %d bytes (limits.answer_bytes)", m.url, m.limit)
	case response.StatusCode/100 != 2:
		return nil, fmt.Errorf("the merge container at %s answers %s: %.200s", m.url, response.Status, answer)
	}
	return &Answer{Status: response.StatusCode, ContentType: response.Header.Get("Content-Type"), Header: passed(response.Header), Body: answer}, nil
}

func explain(url string, err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("the merge container at %s did not answer before the deadline: %w", url, context.DeadlineExceeded)
	}
	return fmt.Errorf("the merge container at %s did not answer (is it up, and does it listen there?): %w", url, err)
}

// passed are the headers of a merge's answer that go on to the client.
func passed(h http.Header) http.Header {
	out := h.Clone()
	for _, name := range []string{"Connection", "Content-Length", "Content-Type", "Date", "Keep-Alive", "Server", "Trailer", "Transfer-Encoding", "Upgrade"} {
		out.Del(name)
	}
	return out
}

// writeJSON puts the bodies of parts where they belong, as they are written.
func writeJSON(to *bytes.Buffer, a Asked, parts []Part) error {
	head, err := json.Marshal(a)
	if err != nil {
		return err
	}
	to.Write(head[:len(head)-1])
	to.WriteString(`,"parts":[`)
	for i := range parts {
		p := &parts[i]
		if !isJSON(p.ContentType) || len(bytes.TrimSpace(p.Body)) == 0 {
			return partError(i, "its type is %q, and the merge takes JSON", p.ContentType)
		}
		if !gjson.ValidBytes(p.Body) {
			return partError(i, "it is not valid JSON")
		}
		if i > 0 {
			to.WriteByte(',')
		}
		shards := p.Shards
		if shards == nil {
			shards = []int{}
		}
		own, err := json.Marshal(JSONPart{Child: p.Child, Shards: shards, Status: p.Status, ContentType: p.ContentType, Headers: p.Header, Body: json.RawMessage("0")})
		if err != nil {
			return err
		}
		to.Write(own[:len(own)-2]) // without the 0 and the brace
		to.Write(p.Body)
		to.WriteByte('}')
	}
	to.WriteString("]}")
	return nil
}

func writeMultipart(to *bytes.Buffer, a Asked, parts []Part) (contentType string, err error) {
	w := multipart.NewWriter(to)
	head, err := json.Marshal(a)
	if err != nil {
		return "", err
	}
	first, err := w.CreatePart(textproto.MIMEHeader{"Content-Disposition": {`form-data; name="` + RequestPart + `"`}, "Content-Type": {jsonType}})
	if err == nil {
		_, err = first.Write(head)
	}
	for i := range parts {
		if err != nil {
			return "", err
		}
		p := &parts[i]
		h := textproto.MIMEHeader{}
		for name, values := range p.Header {
			h[name] = values
		}
		h.Set("Content-Disposition", `form-data; name="part"`)
		h.Set(HeaderChild, p.Child)
		h.Set(HeaderShards, contract.FormatShards(p.Shards))
		h.Set(HeaderStatus, strconv.Itoa(p.Status))
		if h.Del("Content-Length"); p.ContentType != "" {
			h.Set("Content-Type", p.ContentType)
		}
		var part io.Writer
		if part, err = w.CreatePart(h); err == nil {
			_, err = part.Write(p.Body)
		}
	}
	if err != nil {
		return "", err
	}
	return "multipart/mixed; boundary=" + w.Boundary(), w.Close()
}
