package loki_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/config"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/sink"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/sink/sinktest"
	"github.com/container-patterns/terraform-provider-pattern/test/peers"
)

func push(server *peers.LokiServer, c config.Loki) config.Sink {
	if c.URL == "" {
		c.URL = server.URL
	}
	return config.Sink{Loki: &c, Timeout: config.Duration(5 * time.Second)}
}

// All of Loki in one test, for it is started once.
func TestLoki(t *testing.T) {
	server := peers.Loki(t)
	texts := func(selector string) (found []string) {
		lines := server.Query(t, selector)
		slices.SortStableFunc(lines, func(a, b peers.LokiLine) int { return a.Time.Compare(b.Time) })
		for _, line := range lines {
			found = append(found, line.Text)
		}
		return found
	}

	for _, compression := range []string{"none", "gzip"} {
		t.Run("lines arrive in order and once each, also when they come again, "+compression, func(t *testing.T) {
			s := sinktest.Open(t, push(server, config.Loki{Tenant: server.Tenant, Compression: compression, Labels: map[string]string{"run": compression}}))
			require.NoError(t, s.Check(t.Context()))
			records := append(sinktest.Lines(1000), "the same", "the same", "", "at x.y(z)\n\tat main", `quotes " and \ and ä and `+"\x01")
			b := sinktest.Batch("a b.log", 0, records...)
			b.Last = b.First // all at the same time
			require.NoError(t, s.Write(t.Context(), b))
			require.NoError(t, s.Write(t.Context(), b))
			selector := fmt.Sprintf(`{run=%q}`, compression)
			require.Eventually(t, func() bool { return len(texts(selector)) >= len(records) }, 10*time.Second, 50*time.Millisecond)
			assert.Equal(t, records, texts(selector))

			labels := server.Query(t, selector)[0].Labels
			for name, value := range map[string]string{
				"pattern": "sidecar", "instance": "web", "namespace": "shop", "container": "saver",
				"source": "web-0", "input": "access", "file": "a b.log", "run": compression,
			} {
				assert.Equal(t, value, labels[name], name)
			}
		})
	}

	t.Run("a line that is not UTF-8 arrives as text", func(t *testing.T) {
		s := sinktest.Open(t, push(server, config.Loki{Tenant: server.Tenant, Labels: map[string]string{"run": "bytes"}}))
		require.NoError(t, s.Write(t.Context(), sinktest.Batch("a.log", 0, "caf\xe9")))
		require.Eventually(t, func() bool { return len(texts(`{run="bytes"}`)) == 1 }, 10*time.Second, 50*time.Millisecond)
		assert.Equal(t, []string{"caf\ufffd"}, texts(`{run="bytes"}`))
	})

	refused := []struct {
		name   string
		config config.Loki
		line   string
		says   string
		check  bool // Check tells it too
	}{
		{name: "no tenant where one is asked for", config: config.Loki{}, line: "x", says: "sink.loki.tenant", check: true},
		{name: "a path too much in the address", config: config.Loki{URL: server.URL + "/loki/api/v1/push", Tenant: server.Tenant}, line: "x", says: "without a path", check: true},
		{name: "a line above Loki's limit", config: config.Loki{Tenant: server.Tenant}, line: strings.Repeat("x", 70<<10), says: "max_line_size"},
	}
	for _, c := range refused {
		t.Run(c.name+" is permanent", func(t *testing.T) {
			s := sinktest.Open(t, push(server, c.config))
			errs := []error{s.Write(t.Context(), sinktest.Batch("a.log", 0, c.line))}
			if c.check {
				err := s.Check(t.Context())
				require.Error(t, err)
				assert.True(t, sink.Permanent(err), err.Error())
			}
			for _, err := range errs {
				require.ErrorContains(t, err, c.says)
				assert.True(t, sink.Permanent(err), err.Error())
			}
		})
	}

	t.Run("a server that is away is transient and comes back", func(t *testing.T) {
		s := sinktest.Open(t, push(server, config.Loki{Tenant: server.Tenant, Labels: map[string]string{"run": "away"}}))
		b := sinktest.Batch("a.log", 0, sinktest.Lines(100)...)
		require.NoError(t, s.Write(t.Context(), b))
		server.Pause(t)
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		err := s.Write(ctx, b)
		server.Resume(t)
		require.ErrorContains(t, err, "no answer in time")
		assert.False(t, sink.Permanent(err))
		server.Kill()
		err = s.Write(t.Context(), b)
		require.Error(t, err)
		assert.False(t, sink.Permanent(err))
		server.Start(t)
		require.Eventually(t, func() bool { return s.Write(context.Background(), b) == nil }, 30*time.Second, 100*time.Millisecond)
		require.Eventually(t, func() bool { return len(texts(`{run="away"}`)) == 100 }, 10*time.Second, 50*time.Millisecond)
	})
}
