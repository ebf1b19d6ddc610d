package server

import (
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/config"
)

func TestEveryRouteIsForThoseWithItsToken(t *testing.T) {
	r := newRig(t, one())
	for _, c := range []struct {
		method, path   string
		client, worker bool
	}{
		{"POST", "/v1/items", true, false},
		{"PUT", "/v1/items/a", true, false},
		{"GET", "/v1/stages/work/items", true, false},
		{"GET", "/v1/stages/work/items/a", true, false},
		{"GET", "/v1/stages/work/content/a", true, false},
		{"POST", "/v1/stages/work/redrive", true, false},
		{"POST", "/v1/stages/work/purge", true, false},
		{"GET", "/v1/outputs", true, false},
		{"GET", "/v1/outputs/a", true, false},
		{"GET", "/v1/status", true, false},
		{"GET", "/v1/history", true, false},
		{"POST", "/v1/stages/work/receive", false, true},
		{"POST", "/v1/leases/extend", false, true},
		{"POST", "/v1/leases/ack", false, true},
		{"POST", "/v1/leases/nack", false, true},
		{"POST", "/v1/payloads", true, true},
		{"GET", "/v1/payloads/blob:x", false, true},
	} {
		t.Run(c.method+" "+c.path, func(t *testing.T) {
			for _, wrong := range []string{"", "wrong", "client-toke", "client-token2"} {
				a := r.ask(c.method, c.path, wrong, nil)
				assert.Equal(t, 401, a.status, wrong)
				assert.Equal(t, "unauthorized", a.code())
				assert.Contains(t, a.header.Get("WWW-Authenticate"), "Bearer")
			}
			for token, may := range map[string]bool{clientToken: c.client, workerToken: c.worker} {
				a := r.ask(c.method, c.path, token, nil)
				if may {
					assert.NotContains(t, []int{401, 403, 405, 500}, a.status, a.body)
				} else {
					assert.Equal(t, 403, a.status, a.body)
					assert.Equal(t, "forbidden", a.code())
				}
			}
			a := r.ask("DELETE", c.path, clientToken, nil)
			assert.Equal(t, 405, a.status)
			assert.Contains(t, a.header.Get("Allow"), c.method)
		})
	}
	for _, path := range []string{"/", "/assets/page.js", "/v1/openapi.yaml"} {
		assert.Equal(t, 200, r.ask("GET", path, "", nil).status, path)
	}
	for _, path := range []string{"/v1/", "/v1/x", "/v1/stages", "/v1/stages/", "/v1/stages/work", "/v1/stages/work/", "/v1/stages//items", "/v1/stages/UPPER/items", "/v1/stages/a%00/items", "/x", "/assets/", "/assets/../page.go"} {
		assert.Equal(t, 404, r.ask("GET", path, clientToken, nil).status, path)
	}
	assert.Equal(t, 405, r.ask("POST", "/", "", nil).status)
}

func TestTokensAreExchangedWithoutARestart(t *testing.T) {
	r := newRig(t, one())
	asked := func(token string) int { return r.ask("GET", "/v1/status", token, nil).status }
	require.NoError(t, os.WriteFile(r.c.Tokens.ClientFile, []byte("new\n"+clientToken+"\n"), 0o600))
	require.Eventually(t, func() bool { return asked("new") == 200 }, soon, 50*time.Millisecond)
	assert.Equal(t, 200, asked(clientToken), "both are good while they are exchanged")
	require.NoError(t, os.WriteFile(r.c.Tokens.ClientFile, []byte("new\n"), 0o600))
	require.Eventually(t, func() bool { return asked(clientToken) == 401 }, soon, 50*time.Millisecond)
	require.NoError(t, os.Remove(r.c.Tokens.ClientFile))
	begun := time.Now()
	require.Never(t, func() bool { return asked("new") != 200 }, tokensEvery+500*time.Millisecond, 100*time.Millisecond, "a file that is away for a moment locks nobody out")
	assert.Greater(t, time.Since(begun), tokensEvery)
}

func TestNamesThatLeadElsewhereAreRefused(t *testing.T) {
	r := newRig(t, one())
	for name, escaped := range map[string]string{
		"a parent": "a/../b", "an escaped parent": "a/%2e%2e/b", "escaped slashes": "..%2f..%2fetc%2fpasswd", "a dot": "./a",
		"NUL": "a%00b", "a new line": "a%0Ab", "an empty segment": "a//b", "a slash at the end": "a/", "none": "",
		"no UTF-8": "%ff%fe", "4 KiB": strings.Repeat("a", 4096), "DEL": "a%7f",
	} {
		t.Run(name, func(t *testing.T) {
			for _, q := range [][2]string{{"PUT", "/v1/items/"}, {"GET", "/v1/stages/work/items/"}, {"GET", "/v1/stages/work/content/"}, {"GET", "/v1/outputs/"}} {
				a := r.ask(q[0], q[1]+escaped, clientToken, strings.NewReader("x"))
				assert.Equal(t, 400, a.status, q[1]+a.body)
				assert.Equal(t, "invalid", a.code())
			}
			raw, err := url.PathUnescape(escaped)
			require.NoError(t, err)
			if raw == "" {
				return
			}
			if name != "no UTF-8" { // JSON cannot say it
				out := r.push(api.NewItem{Name: raw}, api.NewItem{Name: "good"})
				require.NotNil(t, out[0].Error)
				assert.Equal(t, "invalid", out[0].Error.Code)
				assert.Nil(t, out[1].Error, "others of the batch are taken")
				for _, path := range []string{"/v1/stages/work/purge", "/v1/stages/work/redrive"} {
					assert.Equal(t, 400, r.ask("POST", path, clientToken, api.SelectRequest{Names: []string{raw}}).status)
				}
			}
		})
	}
	for _, name := range []string{"a", "a/b/c.txt", "ä ö/日本", "...", "a?b#c", "a+b%25", strings.Repeat("n", api.MaxNameBytes)} {
		escaped := (&url.URL{Path: "/" + name}).EscapedPath()[1:]
		a := r.ask("PUT", "/v1/items/"+escaped, clientToken, "content of "+name)
		require.Equal(t, 200, a.status, a.body)
		assert.Equal(t, "content of "+name, r.ask("GET", "/v1/stages/work/content/"+escaped, clientToken, nil).body)
		assert.Equal(t, name, r.item("work", escaped).Name)
	}
}

func TestWhatIsWrongInARequestIsSaid(t *testing.T) {
	c := one()
	c.Limits = config.Limits{ItemBytes: 1000, BodyBytes: 64 << 10, Batch: 3}
	r := newRig(t, c)
	many := func(entry string, n int) string {
		return "[" + strings.TrimSuffix(strings.Repeat(entry+",", n), ",") + "]"
	}
	for _, c := range []struct {
		name, method, path, token, body string
		status                          int
		says                            string
	}{
		{"no body", "POST", "/v1/items", clientToken, "", 400, "body"},
		{"no JSON", "POST", "/v1/items", clientToken, "x", 400, "byte 1"},
		{"half of JSON", "POST", "/v1/items", clientToken, `{"items":[`, 400, "unexpected"},
		{"more than JSON", "POST", "/v1/items", clientToken, `{"items":[{}]} {}`, 400, "goes on"},
		{"an unknown field", "POST", "/v1/items", clientToken, `{"items":[{"nmae":"x"}]}`, 400, "nmae"},
		{"another type", "POST", "/v1/items", clientToken, `{"items":[{"name":1}]}`, 400, "name"},
		{"no UTF-8", "POST", "/v1/items", clientToken, "{\"items\":[{\"name\":\"\xff\"}]}", 400, "UTF-8"},
		{"no base64", "POST", "/v1/items", clientToken, `{"items":[{"data":"%"}]}`, 400, "base64"},
		{"no entries", "POST", "/v1/items", clientToken, `{"items":[]}`, 400, "no entries"},
		{"null", "POST", "/v1/items", clientToken, `null`, 400, "no entries"},
		{"too many entries", "POST", "/v1/items", clientToken, `{"items":` + many("{}", 4) + `}`, 413, "at most 3"},
		{"a body too large", "POST", "/v1/items", clientToken, `{"items":[{"text":"` + strings.Repeat("x", 64<<10) + `"}]}`, 413, "65536"},
		{"a content too large", "PUT", "/v1/items/large", clientToken, strings.Repeat("x", 1001), 413, "1000"},
		{"an upload too large", "POST", "/v1/payloads", workerToken, strings.Repeat("x", 1001), 413, "1000"},
		{"a priority that is no number", "PUT", "/v1/items/a?priority=x", clientToken, "", 400, "priority"},
		{"a priority too high", "PUT", "/v1/items/a?priority=10", clientToken, "", 400, "0 to 9"},
		{"a parameter that is none", "PUT", "/v1/items/a?prioritiy=1", clientToken, "", 400, "prioritiy"},
		{"a delay that is none", "PUT", "/v1/items/a?delay=soon", clientToken, "", 400, "delay"},
		{"a delay too long", "PUT", "/v1/items/a?delay=721h", clientToken, "", 400, "limit"},
		{"a delay into the past", "PUT", "/v1/items/a?delay=-1s", clientToken, "", 400, "delay"},
		{"a stage that is none", "PUT", "/v1/items/a?stage=x", clientToken, "", 400, `no stage "x"`},
		{"a group too long", "PUT", "/v1/items/a?group=" + strings.Repeat("g", 129), clientToken, "", 400, "group"},
		{"a group with NUL", "PUT", "/v1/items/a?group=%00", clientToken, "", 400, "group"},
		{"a group that is no UTF-8", "PUT", "/v1/items/a?group=%ff", clientToken, "", 400, "group"},
		{"a limit of 0", "GET", "/v1/stages/work/items?limit=0", clientToken, "", 400, "limit"},
		{"a limit too high", "GET", "/v1/outputs?limit=1001", clientToken, "", 400, "limit"},
		{"an after that is none", "GET", "/v1/outputs?after=x", clientToken, "", 400, "after"},
		{"a state that is none", "GET", "/v1/stages/work/items?state=x", clientToken, "", 400, "state"},
		{"a list of no stage", "GET", "/v1/stages/none/items", clientToken, "", 404, "none"},
		{"an item that is not there", "GET", "/v1/stages/work/items/none", clientToken, "", 404, `"none"`},
		{"an output that is not there", "GET", "/v1/outputs/none", clientToken, "", 404, `"none"`},
		{"a content that is not there", "GET", "/v1/payloads/blob:2020010100/0123456789abcdef0123456789abcdef", workerToken, "", 404, "no longer"},
		{"a content elsewhere", "GET", "/v1/payloads/blob:../../etc/passwd", workerToken, "", 404, ""},
		{"a content without a name", "GET", "/v1/payloads/", workerToken, "", 404, ""},
		{"a content with NUL", "GET", "/v1/payloads/source:%00", workerToken, "", 404, ""},
		{"a wait too long", "GET", "/v1/status?wait=31s", clientToken, "", 400, "wait"},
		{"a version that is none", "GET", "/v1/status?wait=1s&since=x", clientToken, "", 400, "since"},
		{"a receive of no stage", "POST", "/v1/stages/none/receive", workerToken, `{"worker":"w","max":1}`, 404, "none"},
		{"a receive of nothing", "POST", "/v1/stages/work/receive", workerToken, `{"worker":"w"}`, 400, "max"},
		{"a receive of too many", "POST", "/v1/stages/work/receive", workerToken, `{"worker":"w","max":101}`, 400, "max"},
		{"a receive by nobody", "POST", "/v1/stages/work/receive", workerToken, `{"max":1}`, 400, "worker"},
		{"a worker with NUL", "POST", "/v1/stages/work/receive", workerToken, `{"worker":"\u0000","max":1}`, 400, "worker"},
		{"an index below 0", "POST", "/v1/stages/work/receive", workerToken, `{"worker":"w","max":1,"index":-1}`, 400, "index"},
		{"a wait that is none", "POST", "/v1/stages/work/receive", workerToken, `{"worker":"w","max":1,"wait":"x"}`, 400, "wait"},
		{"a redrive of nothing", "POST", "/v1/stages/work/redrive", clientToken, `{}`, 400, "all"},
		{"a redrive of names and all", "POST", "/v1/stages/work/redrive", clientToken, `{"names":["a"],"all":true}`, 400, "all"},
		{"a redrive of no stage", "POST", "/v1/stages/none/redrive", clientToken, `{"all":true}`, 404, "none"},
		{"a purge of nothing", "POST", "/v1/stages/work/purge", clientToken, `{}`, 400, "names or a state"},
		{"a purge of what is in flight", "POST", "/v1/stages/work/purge", clientToken, `{"state":"in_flight"}`, 400, "in flight"},
		{"a purge of no state", "POST", "/v1/stages/work/purge", clientToken, `{"state":"x"}`, 400, "state"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := r.ask(c.method, c.path, c.token, c.body)
			require.NoError(t, a.err)
			assert.Equal(t, c.status, a.status, a.body)
			var code = map[int]string{400: "invalid", 404: "not_found", 413: "too_large"}[c.status]
			assert.Equal(t, code, a.code(), a.body)
			assert.Contains(t, a.body, strings.ReplaceAll(c.says, `"`, `\"`))
			assert.Equal(t, "application/json", a.header.Get("Content-Type"))
		})
	}
	out := r.push(api.NewItem{Name: "both", Text: "x", Data: []byte("y")}, api.NewItem{Name: "upload", Payload: "blob:x"}, api.NewItem{Name: "text", Text: strings.Repeat("x", 1001)})
	for i, code := range []string{"invalid", "invalid", "too_large"} {
		require.NotNil(t, out[i].Error)
		assert.Equal(t, code, out[i].Error.Code)
	}
	assert.Empty(t, r.status().Stages[0].Counts, "nothing of all that was enqueued")
}

func TestRequestsOfClientsAreLimitedAndThoseOfWorkersAreNot(t *testing.T) {
	c := one()
	c.Limits.RequestsPerSecond = 3
	r := newRig(t, c)
	limited := 0
	for range 20 {
		if a := r.ask("GET", "/v1/status", clientToken, nil); a.status == http.StatusTooManyRequests {
			limited++
			assert.Equal(t, "too_many_requests", a.code())
			assert.Equal(t, "1", a.header.Get("Retry-After"))
		}
	}
	assert.Greater(t, limited, 10)
	for range 20 {
		assert.Empty(t, r.receive("work", 1, ""))
	}
	require.Eventually(t, func() bool { return r.ask("GET", "/v1/status", clientToken, nil).status == 200 }, soon, 100*time.Millisecond)
}
