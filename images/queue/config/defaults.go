package config

import (
	"maps"
	"path/filepath"
	"time"
)

// SetDefaults fills what was left out. It changes nothing that is set.
func (c *Config) SetDefaults() {
	c.Settings.SetDefaults()
	fill(&c.Listen, ":8080")
	if p := c.Store.Postgres; p != nil {
		fill(&p.Schema, "work_queue")
	}
	if e := c.Store.Embedded; e != nil && e.Directory != "" {
		fill(&c.Payloads.URL, "file://"+filepath.Join(e.Directory, "payloads"))
	}
	fill(&c.Payloads.InlineBytes, 32<<10)
	stages := maps.Clone(c.Stages)
	for name, s := range stages {
		s.setDefaults()
		stages[name] = s
	}
	c.Stages = stages
	for i := range c.Input.Schedule {
		fill(&c.Input.Schedule[i].TimeZone, "UTC")
	}
	fill(&c.Limits.ItemBytes, 1<<30)
	fill(&c.Limits.BodyBytes, 16<<20)
	fill(&c.Limits.Batch, 1000)
	fill(&c.Limits.Connections, 4096)
	fill(&c.Retention, Duration(7*24*time.Hour))
	fill(&c.DeduplicationWindow, Duration(5*time.Minute))
	fill(&c.Report, Duration(2*time.Second))
}

func (s *Stage) setDefaults() {
	s.From = s.froms()
	fill(&s.Timeout, Duration(5*time.Minute))
	fill(&s.Visibility, Duration(30*time.Second))
	fill(&s.MaxAttempts, 3)
	fill(&s.Backoff.Min, Duration(time.Second))
	fill(&s.Backoff.Max, max(s.Backoff.Min, Duration(5*time.Minute)))
	w := &s.Workers
	if w.Min == nil && w.Max == nil {
		w.Min, w.Max = new(1), new(1)
	}
	if w.Min == nil {
		w.Min = new(min(1, *w.Max))
	}
	if w.Max == nil {
		w.Max = new(max(1, *w.Min))
	}
	fill(&w.Concurrency, 1)
	fill(&w.TargetWait, Duration(10*time.Second))
	fill(&w.ScaleInAfter, Duration(30*time.Second))
}

// fill sets what is still zero.
func fill[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
