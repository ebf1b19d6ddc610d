package check

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/contract"
)

// faults are the rules that are not kept.
func faults(all []Result) (out []string) {
	for _, r := range all {
		if r.Err != nil {
			out = append(out, r.Rule+": "+r.Err.Error())
		}
	}
	return out
}

func serve(t *testing.T, handle http.HandlerFunc) string {
	s := httptest.NewServer(handle)
	t.Cleanup(s.Close)
	return s.URL
}

func hits(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"hits":[1,2]}`)
}

func TestLeaf(t *testing.T) {
	var n, cancelled atomic.Int32
	for _, c := range []struct {
		name string
		leaf http.HandlerFunc
		want string // the only fault
	}{
		{"a good one", hits, ""},
		{"it fails", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "down", http.StatusServiceUnavailable) }, "answers 503 instead of 2xx"},
		{"it counts its requests", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			if n.Add(1) == 2 {
				_, _ = io.WriteString(w, `[]`)
				return
			}
			_, _ = io.WriteString(w, `[1]`)
		}, "asked twice"},
		{"it does not say what it answers with", func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = nil
			_, _ = io.WriteString(w, "x")
		}, "no Content-Type"},
		{"it chokes on headers", func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get(contract.HeaderShard) != "" {
				http.Error(w, "what is that", http.StatusBadRequest)
				return
			}
			hits(w, r)
		}, "headers of a gatherer"},
		{"it compresses what it should not change", func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Accept-Encoding") == "gzip" && r.Header.Get("Via") != "" {
				w.WriteHeader(http.StatusNotModified)
				return
			}
			hits(w, r)
		}, "headers of a gatherer"},
		{"it works on beyond its deadline", func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get(contract.HeaderDeadline) == "50" {
				<-time.After(1200 * time.Millisecond)
			}
			hits(w, r)
		}, "give up with 503 or 504"},
		{"it gives up in time", func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get(contract.HeaderDeadline) == "50" {
				w.WriteHeader(http.StatusGatewayTimeout)
				return
			}
			hits(w, r)
		}, ""},
		{"a cancelled request breaks it", func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.ReadAll(r.Body); err != nil {
				cancelled.Add(1)
			}
			if cancelled.Load() > 0 {
				w.WriteHeader(http.StatusInternalServerError)
				return
			}
			hits(w, r)
		}, "cancelled"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := faults(Leaf(t.Context(), serve(t, c.leaf), Request{Method: "POST", Path: "/search?q=a", Header: http.Header{}, Body: []byte(strings.Repeat("q", 100))}))
			if c.want == "" {
				assert.Empty(t, got)
				return
			}
			require.Len(t, got, 1, got)
			assert.Contains(t, got[0], c.want)
		})
	}
}

func TestALeafGetsTheRequest(t *testing.T) {
	at := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.URL.RequestURI() != "/a/search?q=1" || r.Method != http.MethodPut || r.Header.Get("X-A") != "b" || string(body) != "body" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		hits(w, r)
	})
	assert.Empty(t, faults(Leaf(t.Context(), at+"/a/", Request{Method: "PUT", Path: "/search?q=1", Header: http.Header{"X-A": {"b"}}, Body: []byte("body")})))
}

func TestNothingListens(t *testing.T) {
	s := httptest.NewServer(nil)
	s.Close()
	assert.Contains(t, fmt.Sprint(faults(Leaf(t.Context(), s.URL, Request{Method: "GET"}))), "refused")
	assert.Contains(t, fmt.Sprint(faults(Merge(t.Context(), s.URL, Merging{Format: "json", Parts: arrays, ContentType: "application/json"}))), "is it up")
}

var arrays = [][]byte{[]byte("[1,2]"), []byte("[3]"), []byte("[4,5]")}

// merging is a server that merges lists of values by a function.
func merging(make func(m *contract.MergeRequest, values []any) any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		m, err := contract.ReadMerge(r.Header.Get("Content-Type"), r.Body, 1<<20)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		all := []any{}
		for _, p := range m.Parts {
			var values []any
			if err := json.Unmarshal(p.Body, &values); err != nil {
				http.Error(w, err.Error(), http.StatusUnprocessableEntity)
				return
			}
			all = append(all, values...)
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(make(m, all))
	}
}

func TestMerge(t *testing.T) {
	join := merging(func(_ *contract.MergeRequest, v []any) any { return v })
	for _, c := range []struct {
		name   string
		merge  http.HandlerFunc
		any    bool
		faults []string // words of each
	}{
		{"a good one", join, false, nil},
		{"a count, which starts anew at each level", merging(func(_ *contract.MergeRequest, v []any) any { return []int{len(v)} }), false, []string{"parents of 1 and 2", "parents of 2 and 1"}},
		{"another shape below the root", merging(func(m *contract.MergeRequest, v []any) any {
			if m.Root {
				return v
			}
			return map[string]any{"values": v}
		}), false, []string{"no part that it takes", "no part that it takes"}},
		{"the order makes a difference", join, true, []string{"the order of parts"}},
		{"no parts are a fault", merging(func(_ *contract.MergeRequest, v []any) any { return v[0] }), false, []string{"no parts at all", "no part that it takes", "no part that it takes"}},
		{"a partial coverage is a fault", merging(func(m *contract.MergeRequest, v []any) any {
			if !m.Coverage.Complete {
				panic(http.ErrAbortHandler)
			}
			return v
		}), false, []string{"partial coverage"}},
		{"it works on beyond its deadline", func(w http.ResponseWriter, r *http.Request) {
			if left, err := strconv.Atoi(r.Header.Get(contract.HeaderDeadline)); err == nil && left <= 50 {
				<-time.After(1200 * time.Millisecond)
			}
			join(w, r)
		}, false, []string{"give up with 503 or 504"}},
	} {
		for _, format := range []string{"json", "multipart"} {
			t.Run(c.name+" by "+format, func(t *testing.T) {
				quiet := httptest.NewUnstartedServer(c.merge)
				quiet.Config.ErrorLog = log.New(io.Discard, "", 0) // of a merge that panics
				quiet.Start()
				defer quiet.Close()
				got := faults(Merge(t.Context(), quiet.URL, Merging{Format: format, Parts: arrays, ContentType: "application/json", AnyOrder: c.any}))
				require.Len(t, got, len(c.faults), got)
				for i, want := range c.faults {
					assert.Contains(t, got[i], want)
				}
			})
		}
	}
}

func TestAStreamingMerge(t *testing.T) {
	stream := func(handle func(w io.Writer, r *contract.Records)) string {
		return serve(t, func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).EnableFullDuplex()
			records, err := contract.NewRecords(r.Body, 1<<16)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			w.Header().Set("Content-Type", contract.TypeNDJSON)
			handle(w, records)
		})
	}
	each := func(w io.Writer, r *contract.Records) {
		for {
			one, err := r.Next()
			if err != nil {
				return
			}
			fmt.Fprintf(w, "%s\n", one.Record)
		}
	}
	m := Merging{Format: "ndjson", By: "t", Order: "asc", ContentType: contract.TypeNDJSON, Parts: [][]byte{[]byte("{\"t\":1}\n{\"t\":3}\n"), []byte("{\"t\":2}")}}
	assert.Empty(t, faults(Merge(t.Context(), stream(each), m)))
	got := faults(Merge(t.Context(), stream(func(w io.Writer, r *contract.Records) {
		n := 0
		for ; ; n++ {
			if _, err := r.Next(); err != nil {
				break
			}
		}
		fmt.Fprintf(w, "{\"t\":0,\"n\":%d}\n", n)
	}), m))
	require.Len(t, got, 1, got)
	assert.Contains(t, got[0], "associative")
	m.Parts[1] = []byte("{\"t\":2}\n{\"t\":1}")
	got = faults(Merge(t.Context(), stream(each), m))
	assert.Contains(t, fmt.Sprint(got), `part 1: it is not sorted by "t"`, "which is the fault of who gives such parts")
}

func TestDiffers(t *testing.T) {
	jsonType := "application/json"
	require.NoError(t, differs(answer{200, jsonType, []byte(`{"a":1,"b":2}`)}, answer{200, jsonType, []byte(` {"b":2, "a":1}`)}))
	for want, other := range map[string]answer{"status": {201, jsonType, nil}, "Content-Type": {200, "a/b", nil}, "body": {200, jsonType, bytes.Repeat([]byte("9"), 500)}} {
		require.ErrorContains(t, differs(other, answer{200, jsonType, []byte("1")}), want)
	}
}
