package server

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
)

// FuzzRequest sends whatever there is: the server has no fault of its own.
func FuzzRequest(f *testing.F) {
	r := newRig(f, one())
	r.push(api.NewItem{Name: "a", Text: "x"})
	for _, path := range []string{
		"/v1/items", "/v1/items/a", "/v1/outputs/a", "/v1/status?since=1", "/v1/history", "/v1/payloads", "/v1/payloads/blob:x", "/v1/leases/ack",
		"/v1/leases/nack", "/v1/leases/extend", "/v1/stages/work/receive", "/v1/stages/work/items?state=dead&limit=5&after=1", "/v1/stages/work/content/a",
		"/v1/stages/work/redrive", "/v1/stages/work/purge", "/", "/assets/page.js", "/v1/openapi.yaml",
	} {
		for _, method := range []string{"GET", "POST", "PUT"} {
			f.Add(method, path, "Bearer "+clientToken, []byte(`{"items":[{"name":"b","text":"y","priority":3}]}`))
			f.Add(method, path, "Bearer "+workerToken, []byte(`{"items":[{"lease":"work.1.1.4.1","failure":{"reason":"\u0000"}}],"leases":["work.1.1.4.1"]}`))
		}
	}
	f.Add("POST", "/v1/stages/work/receive", "Bearer "+workerToken, []byte(`{"worker":"w","max":1}`))
	f.Fuzz(func(t *testing.T, method, path, authorization string, body []byte) {
		u, err := url.ParseRequestURI(path)
		if err != nil || strings.Contains(path, "wait") || strings.Contains(string(body), "wait") {
			return // long polls take their time
		}
		q := httptest.NewRequest("GET", "/", strings.NewReader(string(body)))
		q.Method, q.URL = method, u
		q.Header = http.Header{"Authorization": {authorization}}
		w := httptest.NewRecorder()
		r.s.ServeHTTP(w, q)
		if w.Code >= 500 && w.Code != 503 && w.Code != 507 {
			t.Fatalf("%s %q: %d %s\n%s", method, path, w.Code, w.Body, r.log)
		}
	})
}

// FuzzLeaseToken parses whatever there is, and what was given comes back as it was.
func FuzzLeaseToken(f *testing.F) {
	f.Add("work.1.2.3.4")
	f.Add("a-b.9223372036854775807.0.9.1")
	f.Add("...")
	f.Add("work.-1.2.3.4")
	f.Fuzz(func(t *testing.T, token string) {
		l, err := parseLease(token)
		if err != nil {
			if problemOf(err).status != 400 {
				t.Fatal(err)
			}
			return
		}
		if l.ID < 0 || l.Epoch < 0 || l.priority < 0 || l.priority > api.MaxPriority || l.attempt < 0 {
			t.Fatalf("%q is %+v", token, l)
		}
		again, err := parseLease(leaseToken(&store.Item{Lease: l.Lease, Stage: l.stage, Priority: l.priority, Attempt: l.attempt}))
		if err != nil || again != l {
			t.Fatalf("%q is %+v, then %+v: %v", token, l, again, err)
		}
	})
}
