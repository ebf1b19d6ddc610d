// Package settings holds what every framework image's configuration file has in common, whatever the image does.
//
// An image takes these types into its own configuration, so that `management`, `log` and `lifecycle` mean the same, and have the same defaults, in each of them.
package settings

import (
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/hashicorp/go-multierror"
)

// Settings is the part of a configuration file that all images share.
type Settings struct {
	// Identity says which container of which instance this is. What is empty is taken from the environment.
	Identity Identity `json:"identity,omitzero"`
	// Management is the API that serves health, metrics, logs and the lifecycle.
	Management Management `json:"management,omitzero"`
	// Log is the image's own log.
	Log Log `json:"log,omitzero"`
	// Lifecycle rules termination.
	Lifecycle Lifecycle `json:"lifecycle,omitzero"`
}

// Identity names the container.
type Identity struct {
	Pattern   string `json:"pattern,omitempty"`
	Instance  string `json:"instance,omitempty"`
	Namespace string `json:"namespace,omitempty"`
	Container string `json:"container,omitempty"`
}

// Management configures the management API.
type Management struct {
	// Address is where it listens: all interfaces by default, because an engine's probes do not come from the loopback.
	Address string `json:"address,omitempty"`
	// Profiling says who may read /debug/pprof: "loopback" (default), "anywhere" or "off".
	Profiling string `json:"profiling,omitempty"`
}

// Log configures the image's own log.
type Log struct {
	// Level is debug, info (default), warn or error; it changes with a reload.
	Level string `json:"level,omitempty"`
	// KeepBytes bounds what /logs remembers.
	KeepBytes int `json:"keep_bytes,omitempty"`
}

// Lifecycle rules termination.
type Lifecycle struct {
	// Grace is how long termination may take altogether. It must be shorter than what the engine grants before it kills.
	Grace Duration `json:"grace,omitempty"`
	// DrainDelay is how long the image goes on as before once it has said that it is not ready, so that clients hear of it.
	DrainDelay Duration `json:"drain_delay,omitempty"`
}

// The values of what a configuration file leaves out.
const (
	DefaultAddress      = ":9464"
	DefaultGrace        = 25 * time.Second
	DefaultKeepLogBytes = 256 << 10
	maxKeepLogBytes     = 16 << 20
)

// SetDefaults fills what the file left out.
func (s *Settings) SetDefaults() {
	if s.Management.Address == "" {
		s.Management.Address = DefaultAddress
	}
	if s.Management.Profiling == "" {
		s.Management.Profiling = "loopback"
	}
	if s.Log.Level == "" {
		s.Log.Level = "info"
	}
	if s.Log.KeepBytes == 0 {
		s.Log.KeepBytes = DefaultKeepLogBytes
	}
	if s.Lifecycle.Grace == 0 {
		s.Lifecycle.Grace = Duration(DefaultGrace)
	}
}

// Validate names every fault.
func (s *Settings) Validate() error {
	var faults *multierror.Error
	if err := validateAddress(s.Management.Address); err != nil {
		faults = multierror.Append(faults, fmt.Errorf("management.address: %w", err))
	}
	switch s.Management.Profiling {
	case "loopback", "anywhere", "off":
	default:
		faults = multierror.Append(faults, fmt.Errorf("management.profiling: must be loopback, anywhere or off, got %q", s.Management.Profiling))
	}
	if _, err := s.Log.SlogLevel(); err != nil {
		faults = multierror.Append(faults, fmt.Errorf("log.level: %w", err))
	}
	if s.Log.KeepBytes < 0 || s.Log.KeepBytes > maxKeepLogBytes {
		faults = multierror.Append(faults, fmt.Errorf("log.keep_bytes: must be between 0 and %d, got %d", maxKeepLogBytes, s.Log.KeepBytes))
	}
	if s.Lifecycle.Grace < 0 {
		faults = multierror.Append(faults, fmt.Errorf("lifecycle.grace: must not be negative, got %s", s.Lifecycle.Grace))
	}
	if s.Lifecycle.DrainDelay < 0 || s.Lifecycle.DrainDelay > s.Lifecycle.Grace {
		faults = multierror.Append(faults, fmt.Errorf("lifecycle.drain_delay: must be between 0 and the grace of %s, got %s", s.Lifecycle.Grace, s.Lifecycle.DrainDelay))
	}
	return faults.ErrorOrNil()
}

// SlogLevel parses the level.
func (l Log) SlogLevel() (slog.Level, error) {
	switch l.Level {
	case "debug":
		return slog.LevelDebug, nil
	case "info", "":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return slog.LevelInfo, fmt.Errorf("must be debug, info, warn or error, got %q", l.Level)
}

func validateAddress(address string) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("must be host:port or :port, got %q", address)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return fmt.Errorf("port must be between 0 and 65535, got %q", port)
	}
	return nil
}
