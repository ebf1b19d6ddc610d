package management

import (
	"context"
	"fmt"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/container-patterns/terraform-provider-pattern/images/internal/lifecycle"
)

func metricsHandler(s Sources) http.Handler {
	return promhttp.HandlerFor(s.Metrics, promhttp.HandlerOpts{
		// Compressing costs more memory than the image's own work has, and the text is short.
		DisableCompression:  true,
		MaxRequestsInFlight: 4,
	})
}

// registerMetrics adds what every image has to the registry.
func registerMetrics(s Sources) error {
	for _, collector := range []prometheus.Collector{
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		newCommon(s),
	} {
		if err := s.Metrics.Register(collector); err != nil {
			return fmt.Errorf("register metrics: %w", err)
		}
	}
	return nil
}

// common collects the metrics of the shared parts when they are asked for.
type common struct {
	sources Sources

	build, reloads, reloadOK, loaded, state, ready, check *prometheus.Desc
}

func newCommon(s Sources) *common {
	id := s.Identity
	return &common{
		sources: s,
		build: prometheus.NewDesc("pattern_build_info", "Always 1; the labels say which image this is.", nil, prometheus.Labels{
			"image": id.Image, "version": id.Version, "goversion": id.Go, "pattern": id.Pattern, "instance_name": id.Instance, "container_name": id.Container,
		}),
		reloads:  prometheus.NewDesc("pattern_config_reloads_total", "Changes of the configuration file, by what became of them.", []string{"result"}, nil),
		reloadOK: prometheus.NewDesc("pattern_config_last_reload_successful", "1 if the configuration file as it is now is in use.", nil, nil),
		loaded:   prometheus.NewDesc("pattern_config_last_loaded_timestamp_seconds", "When the configuration in use was read.", nil, nil),
		state:    prometheus.NewDesc("pattern_lifecycle_state", "1 for the state that the process is in.", []string{"state"}, nil),
		ready:    prometheus.NewDesc("pattern_ready", "1 if the container is ready.", nil, nil),
		check:    prometheus.NewDesc("pattern_ready_check", "1 if the readiness check is well.", []string{"check"}, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *common) Describe(descs chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{c.build, c.reloads, c.reloadOK, c.loaded, c.state, c.ready, c.check} {
		descs <- desc
	}
}

// Collect implements prometheus.Collector.
func (c *common) Collect(metrics chan<- prometheus.Metric) {
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	counter := func(desc *prometheus.Desc, value uint64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(value), labels...)
	}
	gauge(c.build, 1)
	file := c.sources.Reloads()
	counter(c.reloads, file.Successes, "success")
	counter(c.reloads, file.Failures, "failure")
	gauge(c.reloadOK, one(file.LastError == ""))
	gauge(c.loaded, float64(file.Loaded.UnixMilli())/1000)
	current := c.sources.Process.State()
	for _, state := range lifecycle.States {
		gauge(c.state, one(state == current), string(state))
	}
	results, well := c.sources.Ready.Ask(context.Background())
	for _, result := range results {
		gauge(c.check, one(result.OK), result.Name)
	}
	gauge(c.ready, one(well && current == lifecycle.Running))
}

func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
