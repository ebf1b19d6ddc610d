package contract

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
)

// Forms of the request that a merge container gets.
const (
	// FormatJSON is one object, a MergeRequest. The parts must be JSON.
	FormatJSON = "json"
	// FormatMultipart is multipart/mixed: the first part is named "request" and is an Asked in JSON; each other is a leaf's
	// answer with its headers and HeaderChild, HeaderShards (a set: "0-3") and HeaderStatus.
	FormatMultipart = "multipart"
	// FormatNDJSON is streamed: a line with an Asked, then a line for each record, a MergeRecord.
	FormatNDJSON = "ndjson"
)

// Headers of a part in the multipart form, besides HeaderShards.
const (
	HeaderChild  = "Pattern-Child"
	HeaderStatus = "Pattern-Status"
)

// Media types of the forms; that of the multipart form has a boundary as well.
const (
	TypeJSON      = "application/json"
	TypeMultipart = "multipart/mixed"
	TypeNDJSON    = "application/x-ndjson"
)

// Asked is what all forms begin with.
type Asked struct {
	Request Original `json:"request"`
	// Root: the answer is the client's, and not a part of a level above.
	Root bool `json:"root"`
	// DeadlineMS is how many milliseconds are left.
	DeadlineMS int64    `json:"deadline_ms"`
	Coverage   Coverage `json:"coverage"`
}

// Original is the client's request.
type Original struct {
	Method  string      `json:"method"`
	Path    string      `json:"path"`
	Query   string      `json:"query"`
	Headers http.Header `json:"headers"`
	// Body where it is text; else it is in BodyBase64.
	Body       string `json:"body,omitempty"`
	BodyBase64 []byte `json:"body_base64,omitempty"`
}

// MergePart is an answer to merge: of a leaf, or what a merge has made of some.
type MergePart struct {
	Child       string      `json:"child"`
	Shards      []int       `json:"shards"`
	Status      int         `json:"status"`
	ContentType string      `json:"content_type"`
	Headers     http.Header `json:"headers,omitempty"`
	// Body is JSON in the JSON form, and any bytes in the multipart form.
	Body json.RawMessage `json:"body"`
}

// MergeRequest is the whole of the JSON form. The multipart form says the same.
type MergeRequest struct {
	Asked
	Parts []MergePart `json:"parts"`
}

// MergeRecord is a line of the streamed form, after the first.
type MergeRecord struct {
	Shards []int           `json:"shards"`
	Record json.RawMessage `json:"record"`
}

// WriteMerge writes the JSON form or the multipart form, with the bodies as they are. In the JSON form they must be valid JSON.
func WriteMerge(to *bytes.Buffer, format string, m *MergeRequest) (contentType string, err error) {
	switch format {
	case FormatJSON:
		return TypeJSON, writeJSON(to, m)
	case FormatMultipart:
		return writeMultipart(to, m)
	}
	return "", fmt.Errorf("no form of parts is named %q", format)
}

func writeJSON(to *bytes.Buffer, m *MergeRequest) error {
	head, err := json.Marshal(m.Asked)
	if err != nil {
		return err
	}
	to.Write(head[:len(head)-1]) // without the brace
	to.WriteString(`,"parts":[`)
	for i := range m.Parts {
		if i > 0 {
			to.WriteByte(',')
		}
		p := m.Parts[i]
		body := p.Body
		if p.Shards == nil {
			p.Shards = []int{}
		}
		// Marshal would parse the body, and write it anew.
		p.Body = json.RawMessage("0")
		own, err := json.Marshal(p)
		if err != nil {
			return err
		}
		to.Write(own[:len(own)-2])
		to.Write(body)
		to.WriteByte('}')
	}
	to.WriteString("]}")
	return nil
}

func writeMultipart(to *bytes.Buffer, m *MergeRequest) (contentType string, err error) {
	head, err := json.Marshal(m.Asked)
	if err != nil {
		return "", err
	}
	w := multipart.NewWriter(to)
	part, err := w.CreatePart(textproto.MIMEHeader{"Content-Disposition": {`form-data; name="request"`}, "Content-Type": {TypeJSON}})
	if err == nil {
		_, err = part.Write(head)
	}
	for i := range m.Parts {
		if err != nil {
			return "", err
		}
		p := &m.Parts[i]
		h := textproto.MIMEHeader(maps.Clone(p.Headers))
		if h == nil {
			h = textproto.MIMEHeader{}
		}
		for _, name := range []string{"Content-Length", "Content-Transfer-Encoding", "Content-Type"} {
			h.Del(name)
		}
		h.Set("Content-Disposition", `form-data; name="part"`)
		h.Set(HeaderChild, p.Child)
		h.Set(HeaderShards, FormatShards(p.Shards))
		h.Set(HeaderStatus, strconv.Itoa(p.Status))
		if p.ContentType != "" {
			h.Set("Content-Type", p.ContentType)
		}
		if part, err = w.CreatePart(h); err == nil {
			_, err = part.Write(p.Body)
		}
	}
	if err != nil {
		return "", err
	}
	return TypeMultipart + "; boundary=" + w.Boundary(), w.Close()
}

// ReadMerge reads the JSON form or the multipart form, by its Content-Type: what a merge written in Go begins with. A body of more
// than limit bytes is an error. The streamed form is read by NewRecords.
func ReadMerge(contentType string, body io.Reader, limit int64) (*MergeRequest, error) {
	media, parameters, err := mime.ParseMediaType(contentType)
	if err != nil {
		return nil, fmt.Errorf("Content-Type %q: %w", contentType, err)
	}
	all, err := io.ReadAll(io.LimitReader(body, limit+1))
	switch {
	case err != nil:
		return nil, err
	case int64(len(all)) > limit:
		return nil, fmt.Errorf("the body has more than %d bytes", limit)
	case media == TypeJSON:
		return readJSON(all)
	case media == TypeMultipart && parameters["boundary"] != "":
		return readMultipart(all, parameters["boundary"])
	}
	return nil, fmt.Errorf("Content-Type %q: must be %s, or %s with a boundary", contentType, TypeJSON, TypeMultipart)
}

func readJSON(body []byte) (*MergeRequest, error) {
	m := &MergeRequest{}
	if err := json.Unmarshal(body, m); err != nil {
		return nil, fmt.Errorf("read the request: %w", err)
	}
	for i := range m.Parts {
		if len(m.Parts[i].Body) == 0 {
			return nil, fmt.Errorf("parts[%d]: there is no body", i)
		}
		if err := valid(m.Parts[i].Shards); err != nil {
			return nil, fmt.Errorf("parts[%d]: %w", i, err)
		}
	}
	return m, nil
}

func valid(shards []int) error {
	for _, n := range shards {
		if n < 0 || n > maxShard {
			return fmt.Errorf("no shard has the number %d", n)
		}
	}
	return nil
}

func readMultipart(body []byte, boundary string) (*MergeRequest, error) {
	reader := multipart.NewReader(bytes.NewReader(body), boundary)
	m := &MergeRequest{}
	for i := 0; ; i++ {
		part, err := reader.NextRawPart()
		if errors.Is(err, io.EOF) && i > 0 {
			return m, nil
		}
		if err != nil {
			return nil, fmt.Errorf("part %d: %w", i, err)
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return nil, fmt.Errorf("part %d: %w", i, err)
		}
		if i == 0 {
			if part.FormName() != "request" {
				return nil, fmt.Errorf(`the first part is named %q, and not "request"`, part.FormName())
			}
			if err := json.Unmarshal(content, &m.Asked); err != nil {
				return nil, fmt.Errorf("read the request: %w", err)
			}
			continue
		}
		p, err := readPart(http.Header(part.Header), content)
		if err != nil {
			return nil, fmt.Errorf("part %d: %w", i, err)
		}
		m.Parts = append(m.Parts, p)
	}
}

func readPart(h http.Header, body []byte) (p MergePart, err error) {
	p = MergePart{Child: h.Get(HeaderChild), ContentType: h.Get("Content-Type"), Body: body}
	if text := h.Get(HeaderShards); text != "" {
		if p.Shards, err = ParseShards(text); err != nil {
			return p, fmt.Errorf("%s: %w", HeaderShards, err)
		}
	}
	if p.Status, err = strconv.Atoi(h.Get(HeaderStatus)); err != nil {
		return p, fmt.Errorf("%s: %w", HeaderStatus, err)
	}
	for _, name := range []string{HeaderChild, HeaderShards, HeaderStatus, "Content-Disposition", "Content-Length", "Content-Transfer-Encoding", "Content-Type"} {
		h.Del(name)
	}
	if len(h) > 0 {
		p.Headers = h
	}
	return p, nil
}

// IsJSON tells whether a media type is JSON: application/json, anything+json, or none.
func IsJSON(contentType string) bool {
	media, _, _ := strings.Cut(contentType, ";")
	media = strings.TrimSpace(media)
	const suffix = "+json"
	return media == "" || strings.EqualFold(media, TypeJSON) || len(media) > len(suffix) && strings.EqualFold(media[len(media)-len(suffix):], suffix)
}
