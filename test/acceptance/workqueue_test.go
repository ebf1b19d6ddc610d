//go:build acceptance

package acceptance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
)

// shell is what the commands of stages are made of: a program of an image that knows nothing of queues.
func shell(script string) []string { return []string{"/bin/busybox", "sh", "-c", script} }

// obey is the command of a stage whose items say themselves what is done with them, by a shell script.
var obey = []string{"/bin/busybox", "sh", "$(WORK_ITEM_FILE)"}

// step is a stage of a pipeline, small enough that many run beside each other.
func step(command []string) object {
	return object{
		"image": os.Getenv("TEST_WEB_IMAGE"), "command": command, "security": object{"user": 65532},
		"resources": object{"requests": object{"cpu": "10m", "memory": "16Mi"}, "limits": object{"memory": "128Mi"}},
		"workers":   object{"min": 1, "max": 1}, "termination": object{"grace": "5s"},
	}
}

// workQueue is an instance that the test reaches, and that leaves nothing behind.
func workQueue(stages object) object {
	return object{
		"stages":   stages,
		"queue":    object{"expose": object{"reach": "node"}, "resources": object{"requests": object{"cpu": "20m", "memory": "32Mi"}, "limits": object{"memory": "256Mi"}}},
		"store":    object{"embedded": object{"size": "1Gi", "delete_with_instance": true}},
		"timeouts": object{"create": "90s", "update": "90s", "delete": "90s"},
	}
}

// onQueue runs a test body on each engine, with the images of this run.
func onQueue(t *testing.T, body func(s *stage)) {
	t.Helper()
	must(t, "TEST_WEB_IMAGE")
	on(t, body)
}

// works writes a configuration with this work queue, and other resources, with framework images as this run has built them.
func (s *stage) works(q object, others ...object) {
	s.Helper()
	q = with(q, object{"name": s.queue()})
	resources := object{"pattern_work_queue": object{"work": q}}
	for _, o := range others {
		maps.Copy(resources, o)
	}
	s.write(s.providerOfThisRun(), object{"resource": resources})
}

// queue is the name of the instance: another one in each namespace, since a Nomad node has one volume of a name.
func (s *stage) queue() string { return "work-" + strings.TrimPrefix(s.namespace, "acceptance-") }

// A queueClient speaks to the queue's API from outside, with a token as the engine keeps it.
type queueClient struct {
	*stage
	token string
}

func (s *stage) client() *queueClient {
	s.Helper()
	return &queueClient{stage: s, token: s.secret(s.T, s.queue(), "client-token")}
}

// errStatus is an answer that is no success.
type errStatus struct {
	code int
	text string
}

func (e *errStatus) Error() string { return fmt.Sprintf("status %d: %s", e.code, e.text) }

// once sends one request to one of the servers.
func (c *queueClient) once(method, path string, body, into any) error {
	addresses := c.serving(c.T, c.queue())
	if len(addresses) == 0 {
		return errors.New("nobody serves")
	}
	var raw io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		raw = bytes.NewReader(b)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, "http://"+addresses[0]+path, raw)
	if err != nil {
		return err
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return &errStatus{resp.StatusCode, string(answer)}
	}
	if text, ok := into.(*string); ok {
		*text = string(answer)
		return nil
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer, into)
}

// do sends a request until a server answers it.
func (c *queueClient) do(method, path string, body, into any) {
	c.Helper()
	var err error
	ok := func() bool {
		err = c.once(method, path, body, into)
		var status *errStatus
		return err == nil || errors.As(err, &status) && status.code < 500
	}
	if !ok() {
		eventually(c.T, time.Minute, ok, "%s %s: %v", method, path, lazyError{&err})
	}
	require.NoErrorf(c, err, "%s %s", method, path)
}

type lazyError struct{ err *error }

func (l lazyError) String() string { return fmt.Sprint(*l.err) }

// push items of one stage by their names.
func (c *queueClient) push(stage string, contents map[string]string) {
	c.Helper()
	var r api.EnqueueRequest
	for name, text := range contents {
		r.Items = append(r.Items, api.NewItem{Name: name, Stage: stage, Text: text})
	}
	var answer api.EnqueueAnswer
	c.do(http.MethodPost, "/v1/items", r, &answer)
	require.Len(c, answer.Items, len(contents))
	for _, i := range answer.Items {
		require.Nil(c, i.Error, i.Name)
	}
}

func (c *queueClient) status() (s api.Status) {
	c.Helper()
	c.do(http.MethodGet, "/v1/status", nil, &s)
	return s
}

// counts of a stage.
func (c *queueClient) counts(stage string) map[api.State]int64 {
	c.Helper()
	for _, s := range c.status().Stages {
		if s.Name == stage {
			return s.Counts
		}
	}
	return nil
}

// open items of a stage: all that are neither done nor dead.
func open(counts map[api.State]int64) (n int64) {
	for state, count := range counts {
		if state != api.Done && state != api.Dead {
			n += count
		}
	}
	return n
}

// reaches waits until so many items of a stage are in a state.
func (c *queueClient) reaches(stage string, state api.State, n int) {
	c.Helper()
	var last map[api.State]int64
	eventually(c.T, 90*time.Second, func() bool {
		last = c.counts(stage)
		return last[state] == int64(n)
	}, "stage %s should have %d items %s, and has %v", stage, n, state, lazyCounts{&last})
}

type lazyCounts struct{ counts *map[api.State]int64 }

func (l lazyCounts) String() string { return fmt.Sprint(*l.counts) }

// items of a stage.
func (c *queueClient) items(stage string) (all []api.Item) {
	c.Helper()
	for after := ""; ; {
		var page api.ItemsAnswer
		c.do(http.MethodGet, "/v1/stages/"+stage+"/items?limit=1000&after="+url.QueryEscape(after), nil, &page)
		all = append(all, page.Items...)
		if after = page.After; after == "" {
			return all
		}
	}
}

// outputs of the pipeline, with their contents.
func (c *queueClient) outputs() map[string]string {
	c.Helper()
	all := map[string]string{}
	for _, name := range c.outputNames() {
		var content string
		c.do(http.MethodGet, "/v1/outputs/"+(&url.URL{Path: name}).EscapedPath(), nil, &content)
		all[name] = content
	}
	return all
}

func (c *queueClient) outputNames() (all []string) {
	c.Helper()
	for after := ""; ; {
		var page api.OutputsAnswer
		c.do(http.MethodGet, "/v1/outputs?limit=1000&after="+url.QueryEscape(after), nil, &page)
		for _, o := range page.Outputs {
			all = append(all, o.Name)
		}
		if after = page.After; after == "" {
			return all
		}
	}
}

// workers of a stage that run.
func (s *stage) workers(stage string) (all []replica) {
	s.Helper()
	for _, r := range s.replicas(s.T, s.queue()) {
		if r.Group == stage {
			all = append(all, r)
		}
	}
	return all
}

// ids of replicas.
func ids(replicas []replica) string {
	var all []string
	for _, r := range replicas {
		all = append(all, r.ID)
	}
	return strings.Join(all, " ")
}
