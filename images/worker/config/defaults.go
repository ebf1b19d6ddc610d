package config

import "time"

// The values of what a configuration file leaves out.
const (
	DefaultConcurrency = 1
	DefaultTimeout     = 5 * time.Minute
	DefaultKillAfter   = 5 * time.Second
	DefaultWorkDir     = "/pattern/work"
	DefaultIndexEnv    = "PATTERN_INDEX"
	// ExitTempFail is EX_TEMPFAIL of sysexits.h.
	ExitTempFail = 75
)

// Default returns a configuration with every default set. The stage, the queue and the command are left to name.
func Default() *Config {
	c := &Config{}
	c.SetDefaults()
	return c
}

// SetDefaults fills what was left out. It changes nothing that is set.
func (c *Config) SetDefaults() {
	c.Settings.SetDefaults()
	fill(&c.Mode, ModeExec)
	if c.HTTP != nil {
		fill(&c.HTTP.Path, "/")
	}
	fill(&c.Concurrency, DefaultConcurrency)
	fill(&c.Timeout, Duration(DefaultTimeout))
	fill(&c.KillAfter, Duration(DefaultKillAfter))
	// An empty list stays one: somebody who writes it wants no code to mean that.
	if c.ExitCodes.Done == nil {
		c.ExitCodes.Done = []int{0}
	}
	if c.ExitCodes.Retry == nil {
		c.ExitCodes.Retry = []int{ExitTempFail}
	}
	fill(&c.WorkDir, DefaultWorkDir)
	fill(&c.IndexEnv, DefaultIndexEnv)
}

// fill sets what is still zero.
func fill[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
