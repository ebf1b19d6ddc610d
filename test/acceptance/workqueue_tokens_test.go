//go:build acceptance

package acceptance

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
)

// Who may do what: with the client's token, the worker's, and none, from outside and from a workload beside the queue.
func TestWorkQueueTokens(t *testing.T) {
	onQueue(t, func(s *stage) {
		q := workQueue(object{"prepare": step(obey)})
		s.works(q)
		s.apply()
		s.noTokens()
		client := s.client()
		worker := &queueClient{stage: s, token: s.secret(s.T, s.queue(), "worker-token")}
		nobody, stranger := &queueClient{stage: s}, &queueClient{stage: s, token: "guessed"}
		require.NotEqual(s, client.token, worker.token)

		push := api.EnqueueRequest{Items: []api.NewItem{{Name: "a", Text: "echo"}}}
		receive := api.ReceiveRequest{Worker: "w", Max: 1, Wait: "0s"}
		for _, r := range []struct {
			method, path string
			body         any
			clients      bool
			workers      bool
		}{
			{http.MethodPost, "/v1/items", push, true, false},
			{http.MethodPut, "/v1/items/b", "echo", true, false},
			{http.MethodGet, "/v1/stages/prepare/items", nil, true, false},
			{http.MethodGet, "/v1/stages/prepare/items/a", nil, true, false},
			{http.MethodGet, "/v1/stages/prepare/content/a", nil, true, false},
			{http.MethodPost, "/v1/stages/prepare/redrive", api.SelectRequest{All: true}, true, false},
			{http.MethodPost, "/v1/stages/prepare/purge", api.SelectRequest{State: api.Dead}, true, false},
			{http.MethodGet, "/v1/outputs", nil, true, false},
			{http.MethodGet, "/v1/status", nil, true, false},
			{http.MethodGet, "/v1/history", nil, true, false},
			{http.MethodPost, "/v1/stages/prepare/receive", receive, false, true},
			{http.MethodPost, "/v1/leases/extend", api.ExtendRequest{Leases: []string{"1.1"}}, false, true},
			{http.MethodPost, "/v1/leases/ack", api.AckRequest{Items: []api.Ack{{Lease: "1.1"}}}, false, true},
			{http.MethodPost, "/v1/leases/nack", api.NackRequest{Items: []api.Nack{{Lease: "1.1"}}}, false, true},
			{http.MethodGet, "/v1/payloads/blob:none", nil, false, true},
		} {
			what := r.method + " " + r.path
			var text string
			for who, c := range map[string]*queueClient{"without a token": nobody, "with a guessed token": stranger} {
				refused(s, http.StatusUnauthorized, c.once(r.method, r.path, r.body, &text), what+" "+who)
			}
			for _, c := range []struct {
				client  *queueClient
				allowed bool
			}{{client, r.clients}, {worker, r.workers}} {
				err := c.client.once(r.method, r.path, r.body, &text)
				if !c.allowed {
					refused(s, http.StatusForbidden, err, what)
					continue
				}
				var status *errStatus
				if assert.True(s, err == nil || assert.ErrorAs(s, err, &status), "%s: %v", what, err) && err != nil {
					assert.NotContains(s, []int{http.StatusUnauthorized, http.StatusForbidden}, status.code, "%s: %v", what, err)
				}
			}
		}
		for _, path := range []string{"/", "/v1/openapi.yaml"} {
			var text string
			require.NoError(s, nobody.once(http.MethodGet, path, nil, &text), path)
			assert.NotContains(s, text, client.token)
		}

		// Another instance in the same namespace has the queue's address, and no token.
		answer := make(chan string, 1)
		listen := newListener(s.T, answer)
		address := s.serving(s.T, s.queue())[0]
		if s.name() == "kubernetes" {
			address = s.queue() + ":8080" // a node's port is for outside
		}
		other := demo()
		other["name"] = "other"
		other["main"].(object)["image"] = os.Getenv("TEST_WEB_IMAGE")
		other["main"].(object)["command"] = shell(fmt.Sprintf(
			`busybox wget -q -O /dev/null http://%[1]s/v1/outputs 2>/tmp/said; busybox find / -name token 2>/dev/null >>/tmp/said; busybox wget -q -O /dev/null --post-file=/tmp/said http://%[2]s/; exec busybox httpd -f -p 8080`,
			address, listen))
		delete(other["main"].(object), "args")
		other["volumes"] = object{"tmp": object{"ephemeral": object{}}}
		other["main"].(object)["mounts"] = object{"tmp": object{"path": "/tmp"}}
		delete(other["main"].(object)["probes"].(object), "readiness")
		s.works(q, object{"pattern_sidecar": object{"other": other}})
		s.apply()
		select {
		case said := <-answer:
			assert.Contains(s, said, "401")
			assert.NotContains(s, said, "/pattern")
			assert.NotContains(s, said, "serviceaccount")
			s.Logf("the other instance is told: %s", strings.TrimSpace(said))
		case <-time.After(30 * time.Second):
			assert.Fail(s, "the other instance has not asked")
		}
		s.destroy()
		s.gone(s.queue())
	})
}

func refused(s *stage, code int, err error, what string) {
	s.Helper()
	var status *errStatus
	if assert.ErrorAs(s, err, &status, what) {
		assert.Equal(s, code, status.code, "%s: %v", what, err)
	}
}

// newListener gives the address of a server that passes on the first body that is posted to it.
func newListener(t *testing.T, to chan<- string) string {
	t.Helper()
	listener := listenForContainers(t)
	server := &http.Server{ErrorLog: quiet, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		select {
		case to <- string(body):
		default:
		}
	})}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Close() })
	return listener.Addr().String()
}
