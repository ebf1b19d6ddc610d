package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/contract"
)

func tried(t *testing.T, args ...string) (code int, out, errs string) {
	var o, e bytes.Buffer
	code = run(t.Context(), args, &o, &e)
	return code, o.String(), e.String()
}

func file(t *testing.T, text string) string {
	name := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	return name
}

func TestUsage(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no command":           {nil, "no such command"},
		"another command":      {[]string{"check", "tree", "http://127.0.0.1:1"}, "no such command"},
		"no URL":               {[]string{"check", "leaf", "127.0.0.1:1"}, "the URL must be"},
		"an unknown flag":      {[]string{"check", "leaf", "http://127.0.0.1:1", "-x"}, "-x"},
		"an unknown format":    {[]string{"check", "merge", "http://127.0.0.1:1", "-format", "xml"}, `"xml"`},
		"an unknown order":     {[]string{"check", "merge", "http://127.0.0.1:1", "-order", "up"}, `"up"`},
		"one part":             {[]string{"check", "merge", "http://127.0.0.1:1", "a.json"}, "at least two"},
		"no such file":         {[]string{"check", "merge", "http://127.0.0.1:1", "/nowhere/a", "-parts"}, "/nowhere/a"},
		"no such request":      {[]string{"check", "leaf", "http://127.0.0.1:1", "-request", "/nowhere/a"}, "/nowhere/a"},
		"a header of no value": {[]string{"check", "leaf", "http://127.0.0.1:1", "-header", "a"}, "NAME:VALUE"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, errs := tried(t, c.args...)
			assert.Equal(t, 2, code)
			assert.Empty(t, out)
			assert.Contains(t, errs, c.want)
			assert.Contains(t, errs, "usage: ")
		})
	}
}

func TestLeaf(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Method == http.MethodPost && r.URL.RequestURI() == "/s?q=1" && string(body) == "a\r\nb" && (r.Header.Get("X-A") == "b c") {
			w.Header().Set("Content-Type", "text/plain")
			_, _ = io.WriteString(w, "found")
			return
		}
		w.WriteHeader(http.StatusNotFound)
	}))
	defer s.Close()
	code, out, _ := tried(t, "check", "leaf", s.URL, "-path", "/s?q=1", "-header", "X-A: b c", "-body", file(t, "a\r\nb"))
	assert.Zero(t, code, out)
	assert.Contains(t, out, "ok    a plain request is answered with 2xx\n")
	assert.NotContains(t, out, "FAIL")
	for _, request := range []string{"POST /s?q=1 HTTP/1.1\nHost: a\nX-A: b c\n\na\r\nb", "POST /s?q=1 HTTP/1.1\r\nHost: a\r\nX-A: b c\r\nContent-Length: 4\r\n\r\na\r\nb"} {
		code, out, errs := tried(t, "check", "leaf", s.URL, "-request", file(t, request))
		assert.Zero(t, code, out+errs)
	}
	code, out, _ = tried(t, "check", "leaf", s.URL)
	assert.Equal(t, 1, code)
	assert.Contains(t, out, "FAIL  a plain request is answered with 2xx: it answers 404")
}

func TestMerge(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Content-Type") == contract.TypeNDJSON {
			_ = http.NewResponseController(w).EnableFullDuplex()
			w.Header().Set("Content-Type", contract.TypeNDJSON)
			records, err := contract.NewRecords(r.Body, 1<<16)
			for err == nil {
				var one contract.MergeRecord
				if one, err = records.Next(); err == nil {
					_, _ = w.Write(append(one.Record, '\n'))
				}
			}
			return
		}
		m, err := contract.ReadMerge(r.Header.Get("Content-Type"), r.Body, 1<<20)
		all := []json.RawMessage{}
		for i := 0; err == nil && i < len(m.Parts); i++ {
			var values []json.RawMessage
			err = json.Unmarshal(m.Parts[i].Body, &values)
			all = append(all, values...)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(all)
	}))
	defer s.Close()
	for _, args := range [][]string{nil, {"-format", "multipart"}, {"-format", "ndjson", "-by", "id"}, {"-parts", file(t, "[1]"), file(t, "[2]")}} {
		code, out, errs := tried(t, append([]string{"check", "merge", s.URL}, args...)...)
		assert.Zero(t, code, out+errs)
		assert.Contains(t, out, "ok    merging is associative")
	}
	code, out, _ := tried(t, "check", "merge", s.URL, "-any-order", "-parts", file(t, "[1]"), "-parts", file(t, "[2]"))
	assert.Equal(t, 1, code)
	assert.Contains(t, out, "FAIL  the order of parts makes no difference: ")
}
