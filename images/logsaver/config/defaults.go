package config

import (
	"path/filepath"
	"time"
)

// Default returns a configuration with every default set. Inputs, the state directory and the sink are left to name.
func Default() *Config {
	c := &Config{}
	c.SetDefaults()
	return c
}

// SetDefaults fills what was left out, also in the inputs and in the sink. It changes nothing that is set.
func (c *Config) SetDefaults() {
	fill(&c.Source, "${HOSTNAME}")
	fill(&c.Poll, Duration(250*time.Millisecond))
	for i := range c.Inputs {
		c.Inputs[i].setDefaults()
	}
	c.Sink.setDefaults(c)
	fill(&c.Batch.MaxBytes, 2<<20)
	fill(&c.Batch.MaxAge, Duration(5*time.Second))
	if c.StateDir != "" {
		fill(&c.Spool.Dir, filepath.Join(c.StateDir, "spool"))
	}
	fill(&c.Spool.MaxBytes, 256<<20)
	fill(&c.Spool.After, Duration(time.Second))
	fill(&c.Spool.OnFull, OnFullBlock)
	fill(&c.Retry.Min, Duration(250*time.Millisecond))
	fill(&c.Retry.Max, Duration(15*time.Second))
	fill(&c.Management.Address, ":9464")
	fill(&c.Management.Profiling, "loopback")
	fill(&c.Log.Level, "info")
	// Five seconds below Kubernetes' own default of 30, so that the exit is ours and not the engine's.
	fill(&c.Shutdown.Grace, Duration(25*time.Second))
}

func (in *Input) setDefaults() {
	if in.Rotated == nil {
		in.Rotated = []string{".*", "-*"}
	}
	fill(&in.MaxLineBytes, 64<<10)
	fill(&in.From, FromBeginning)
	if m := in.Multiline; m != nil {
		fill(&m.MaxLines, 500)
		fill(&m.Timeout, Duration(2*time.Second))
	}
}

func (s *Sink) setDefaults(c *Config) {
	fill(&s.Timeout, Duration(30*time.Second))
	if s.Bucket != nil {
		fill(&s.Bucket.Compression, CompressionNone)
	}
	if s.HTTP != nil {
		fill(&s.HTTP.Compression, CompressionNone)
	}
	if s.Loki != nil {
		fill(&s.Loki.Compression, CompressionGzip)
	}
	if s.Syslog != nil {
		fill(&s.Syslog.Transport, TransportTLS)
		fill(&s.Syslog.Facility, "local0")
		fill(&s.Syslog.Severity, "info")
		fill(&s.Syslog.AppName, c.Instance)
	}
}

// fill sets what is still zero.
func fill[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
