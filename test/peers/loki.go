package peers

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// LokiServer is Grafana Loki as one process.
type LokiServer struct {
	*Process
	// URL is its address.
	URL string
	// Tenant is whom it asks for: it is set up for several.
	Tenant string
}

const lokiConfig = `
auth_enabled: true
server: {http_listen_address: 127.0.0.1, http_listen_port: %d, grpc_listen_address: 127.0.0.1, grpc_listen_port: %d, log_level: warn}
common:
  instance_addr: 127.0.0.1
  path_prefix: %[3]s
  storage: {filesystem: {chunks_directory: %[3]s/chunks, rules_directory: %[3]s/rules}}
  replication_factor: 1
  ring: {kvstore: {store: inmemory}}
schema_config:
  configs: [{from: 2024-01-01, store: tsdb, object_store: filesystem, schema: v13, index: {prefix: index_, period: 24h}}]
limits_config: {ingestion_rate_mb: 1000, ingestion_burst_size_mb: 1000, per_stream_rate_limit: 1GB, per_stream_rate_limit_burst: 1GB, max_line_size: 64KB}
analytics: {reporting_enabled: false}
`

// Loki starts a Loki. To compile it takes minutes, once; tests that are to be short go without.
func Loki(t testing.TB) *LokiServer {
	t.Helper()
	if testing.Short() {
		t.Skip("compiling Loki takes minutes")
	}
	binary, err := Make("loki")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	port := FreePort(t)
	config := filepath.Join(dir, "loki.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, lokiConfig, port, FreePort(t), dir), 0o644); err != nil {
		t.Fatal(err)
	}
	l := &LokiServer{URL: fmt.Sprintf("http://127.0.0.1:%d", port), Tenant: "tests"}
	l.Process = start(t, "loki", func() *exec.Cmd { return exec.Command(binary, "-config.file", config) }, func() bool {
		_, ok := l.ask(`{nobody="there"}`) // it takes and gives lines long before it calls itself ready
		return ok
	})
	return l
}

// A LokiLine is one line that Loki keeps.
type LokiLine struct {
	Time   time.Time
	Text   string
	Labels map[string]string
}

// Query gives the lines of the last hours that a LogQL selector matches, oldest first.
func (l *LokiServer) Query(t testing.TB, selector string) []LokiLine {
	t.Helper()
	lines, ok := l.ask(selector)
	if !ok {
		t.Fatalf("Loki did not answer %s", selector)
	}
	return lines
}

func (l *LokiServer) ask(selector string) ([]LokiLine, bool) {
	now := time.Now()
	query := url.Values{
		"query": {selector}, "direction": {"forward"}, "limit": {"5000"},
		"start": {strconv.FormatInt(now.Add(-2*time.Hour).UnixNano(), 10)},
		"end":   {strconv.FormatInt(now.Add(time.Hour).UnixNano(), 10)},
	}
	request, err := http.NewRequest(http.MethodGet, l.URL+"/loki/api/v1/query_range?"+query.Encode(), nil)
	if err != nil {
		return nil, false
	}
	request.Header.Set("X-Scope-OrgID", l.Tenant)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, false
	}
	defer response.Body.Close()
	var answer struct {
		Data struct {
			Result []struct {
				Stream map[string]string
				Values [][2]string
			}
		}
	}
	if response.StatusCode != http.StatusOK || json.NewDecoder(response.Body).Decode(&answer) != nil {
		return nil, false
	}
	var lines []LokiLine
	for _, stream := range answer.Data.Result {
		for _, value := range stream.Values {
			nanoseconds, err := strconv.ParseInt(value[0], 10, 64)
			if err != nil {
				return nil, false
			}
			lines = append(lines, LokiLine{Time: time.Unix(0, nanoseconds), Text: value[1], Labels: stream.Stream})
		}
	}
	return lines, true
}
