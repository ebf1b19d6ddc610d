// Package metrics shows what the log saver does, for Prometheus.
package metrics

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/batch"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/deliver"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/saver"
)

// A Source is asked at each scrape.
type Source interface {
	Files(now time.Time) []saver.FileStatus
	Sink() deliver.Status
	Spool() (batches, lines int, bytes, limit int64)
}

// Metrics count the events of the saver (package saver's Events), and ask the Source for the rest.
type Metrics struct {
	lines, readBytes, split, replayed             *prometheus.CounterVec
	batches, deliveredLines, bytes                prometheus.Counter
	seconds                                       prometheus.Histogram
	failed                                        *prometheus.CounterVec
	spooled, unreadable                           prometheus.Counter
	droppedLines, droppedBytes                    *prometheus.CounterVec
	truncated, lost                               *prometheus.CounterVec
	source                                        atomic.Pointer[Source]
	lagBytes, lagSeconds                          *prometheus.Desc
	spoolBatches, spoolLines, spoolBytes, spoolOf *prometheus.Desc
	sinkUp, sinkRefuses, blocked                  *prometheus.Desc
}

// New registers all metrics.
func New(registry prometheus.Registerer) *Metrics {
	m := &Metrics{
		lagBytes:     prometheus.NewDesc("logsaver_file_lag_bytes", "Bytes of the file that are neither in the sink nor in the spool.", []string{"input", "path"}, nil),
		lagSeconds:   prometheus.NewDesc("logsaver_file_lag_seconds", "How long ago the oldest of these bytes was seen.", []string{"input", "path"}, nil),
		spoolBatches: prometheus.NewDesc("logsaver_spool_batches", "Batches that wait on disk.", nil, nil),
		spoolLines:   prometheus.NewDesc("logsaver_spool_lines", "Lines that wait on disk.", nil, nil),
		spoolBytes:   prometheus.NewDesc("logsaver_spool_bytes", "Bytes that wait on disk.", nil, nil),
		spoolOf:      prometheus.NewDesc("logsaver_spool_limit_bytes", "The size from which the spool is full.", nil, nil),
		sinkUp:       prometheus.NewDesc("logsaver_sink_up", "1 if the last attempt at the sink went well.", nil, nil),
		sinkRefuses:  prometheus.NewDesc("logsaver_sink_refuses", "1 if the sink will go on failing until somebody changes something: no such bucket, wrong credentials.", nil, nil),
		blocked:      prometheus.NewDesc("logsaver_blocked", "1 if the spool is full and reading has stopped; the files are the buffer.", nil, nil),
	}
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
		registry.MustRegister(c)
		return c
	}
	by := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		registry.MustRegister(c)
		return c
	}
	m.lines = by("logsaver_lines_total", "Lines read, each once (the pieces of a split line count).", "input")
	m.readBytes = by("logsaver_read_bytes_total", "Bytes of files read, each once.", "input")
	m.split = by("logsaver_split_lines_total", "Lines that were longer than max_line_bytes.", "input")
	m.replayed = by("logsaver_replayed_lines_total", "Lines read again after a restart, because their delivery was not known.", "input")
	m.batches = counter("logsaver_delivered_batches_total", "Batches that the sink has acknowledged.")
	m.deliveredLines = counter("logsaver_delivered_lines_total", "Lines that the sink has acknowledged.")
	m.bytes = counter("logsaver_delivered_bytes_total", "Bytes of records that the sink has acknowledged, before compression.")
	m.failed = by("logsaver_failed_attempts_total", "Attempts at the sink that failed and are repeated.", "kind")
	m.spooled = counter("logsaver_spooled_batches_total", "Batches that went to disk.")
	m.unreadable = counter("logsaver_unreadable_total", "Times that a file could not be read.")
	m.droppedLines = by("logsaver_dropped_lines_total", "Lines given up, by the reason: the spool was full (drop_oldest, drop_newest), or the sink refuses them for good (refused).", "policy")
	m.droppedBytes = by("logsaver_dropped_bytes_total", "Bytes given up, by the same reasons.", "policy")
	m.truncated = by("logsaver_truncations_total", "Files found truncated.", "input")
	m.lost = by("logsaver_lost_bytes_total", "Bytes that may be missing, because a file was truncated or removed before they were saved.", "input", "reason")
	m.seconds = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "logsaver_delivery_seconds", Help: "Time that the sink took for a batch.",
		Buckets: []float64{.005, .02, .1, .5, 2, 10, 30},
	})
	registry.MustRegister(m.seconds, m)
	for _, kind := range []string{"transient", "permanent"} {
		m.failed.WithLabelValues(kind) // a series that is there from the start shows its first increase
	}
	return m
}

// Ask says whom to ask at a scrape.
func (m *Metrics) Ask(source Source) { m.source.Store(&source) }

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(descs chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{
		m.lagBytes, m.lagSeconds, m.spoolBatches, m.spoolLines, m.spoolBytes, m.spoolOf, m.sinkUp, m.sinkRefuses, m.blocked,
	} {
		descs <- desc
	}
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(out chan<- prometheus.Metric) {
	source := m.source.Load()
	if source == nil {
		return
	}
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	// Two files of one path (one was rotated out of sight) are one series.
	type key struct{ input, path string }
	files := map[key]saver.FileStatus{}
	for _, file := range (*source).Files(time.Now()) {
		sum := files[key{file.Input, file.Path}]
		sum.LagBytes += file.LagBytes
		sum.LagTime = max(sum.LagTime, file.LagTime)
		files[key{file.Input, file.Path}] = sum
	}
	for key, file := range files {
		gauge(m.lagBytes, float64(file.LagBytes), key.input, key.path)
		gauge(m.lagSeconds, file.LagTime.Seconds(), key.input, key.path)
	}
	batches, lines, bytes, limit := (*source).Spool()
	gauge(m.spoolBatches, float64(batches))
	gauge(m.spoolLines, float64(lines))
	gauge(m.spoolBytes, float64(bytes))
	gauge(m.spoolOf, float64(limit))
	sink := (*source).Sink()
	gauge(m.sinkUp, one(sink.Err == nil))
	gauge(m.sinkRefuses, one(sink.Permanent))
	gauge(m.blocked, one(sink.Blocked))
}

func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// Read implements saver.Events.
func (m *Metrics) Read(input string, lines, bytes, split int) {
	m.lines.WithLabelValues(input).Add(float64(lines))
	m.readBytes.WithLabelValues(input).Add(float64(bytes))
	m.split.WithLabelValues(input).Add(float64(split))
}

// Replayed implements saver.Events.
func (m *Metrics) Replayed(input string, lines int) {
	m.replayed.WithLabelValues(input).Add(float64(lines))
}

// Truncated implements saver.Events.
func (m *Metrics) Truncated(input string) { m.truncated.WithLabelValues(input).Inc() }

// Lost implements saver.Events.
func (m *Metrics) Lost(input, reason string, bytes int64) {
	m.lost.WithLabelValues(input, reason).Add(float64(bytes))
}

// Unreadable implements saver.Events.
func (m *Metrics) Unreadable() { m.unreadable.Inc() }

// Delivered implements deliver.Events.
func (m *Metrics) Delivered(b *batch.Batch, took time.Duration) {
	m.batches.Inc()
	m.deliveredLines.Add(float64(b.Lines))
	m.bytes.Add(float64(len(b.Records)))
	m.seconds.Observe(took.Seconds())
}

// Failed implements deliver.Events.
func (m *Metrics) Failed(permanent bool) {
	kind := "transient"
	if permanent {
		kind = "permanent"
	}
	m.failed.WithLabelValues(kind).Inc()
}

// Spooled implements deliver.Events.
func (m *Metrics) Spooled(*batch.Batch) { m.spooled.Inc() }

// Dropped implements deliver.Events.
func (m *Metrics) Dropped(policy string, lines int, bytes int64) {
	m.droppedLines.WithLabelValues(policy).Add(float64(lines))
	m.droppedBytes.WithLabelValues(policy).Add(float64(bytes))
}
