// Package sinktest makes batches and sinks for the tests of the sinks.
package sinktest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/batch"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/config"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/sink"
)

// Batch makes a batch of records, which may have several lines.
func Batch(file string, start int64, records ...string) *batch.Batch {
	b := &batch.Batch{
		Source: "web-0", Input: "access", File: file, Identity: "00c0ffee",
		First: time.Now().Add(-time.Second).Truncate(time.Microsecond), Last: time.Now().Truncate(time.Microsecond),
	}
	b.Stream = strings.Join([]string{b.Source, b.Input, b.File}, "/")
	for _, record := range records {
		b.Records = append(append(b.Records, record...), '\n')
		b.Ends = append(b.Ends, len(b.Records))
	}
	b.Lines = strings.Count(string(b.Records), "\n")
	if b.Lines == len(records) {
		b.Ends = nil
	}
	b.Start, b.End = start, start+int64(len(b.Records))
	b.Name = batch.ObjectName(b.Stream, b.Identity, b.Start, b.End)
	return b
}

// Lines makes n records that differ.
func Lines(n int) []string {
	lines := make([]string, n)
	for i := range lines {
		lines[i] = fmt.Sprintf(`10.0.0.%d - - "GET /item/%d HTTP/1.1" 200 %d "some agent"`, i%256, i, i*37)
	}
	return lines
}

// Open makes the sink that a configuration names, with the saver's defaults, until the test ends.
func Open(t testing.TB, c config.Sink) *sink.Sink {
	t.Helper()
	whole := &config.Config{Pattern: "sidecar", Instance: "web", Namespace: "shop", Container: "saver", Sink: c}
	whole.SetDefaults()
	s, err := sink.New(t.Context(), whole)
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}
