// Package identity says which container of which instance of which pattern this process is.
package identity

import (
	"cmp"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/internal/settings"
)

// Version is set by the release build (-ldflags "-X ...identity.Version=1.2.3").
var Version = ""

// The variables that an engine sets from its own knowledge of the container.
const (
	EnvPattern   = "PATTERN_NAME"
	EnvInstance  = "PATTERN_INSTANCE"
	EnvNamespace = "PATTERN_NAMESPACE"
	EnvContainer = "PATTERN_CONTAINER"
)

// An Identity is what /info answers and what every log record carries.
type Identity struct {
	Image     string    `json:"image"`
	Version   string    `json:"version"`
	Revision  string    `json:"revision,omitempty"`
	Go        string    `json:"go"`
	Pattern   string    `json:"pattern,omitempty"`
	Instance  string    `json:"instance,omitempty"`
	Namespace string    `json:"namespace,omitempty"`
	Container string    `json:"container,omitempty"`
	Host      string    `json:"host,omitempty"`
	PID       int       `json:"pid"`
	Started   time.Time `json:"started"`
}

// New joins what the configuration says with what the environment says; the configuration wins.
func New(image string, configured settings.Identity) Identity {
	host, _ := os.Hostname() // an unnamed host is no reason not to start
	id := Identity{
		Image:     image,
		Version:   Version,
		Go:        runtime.Version(),
		Pattern:   cmp.Or(configured.Pattern, os.Getenv(EnvPattern)),
		Instance:  cmp.Or(configured.Instance, os.Getenv(EnvInstance)),
		Namespace: cmp.Or(configured.Namespace, os.Getenv(EnvNamespace)),
		Container: cmp.Or(configured.Container, os.Getenv(EnvContainer), image),
		Host:      host,
		PID:       os.Getpid(),
		Started:   time.Now().UTC(),
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		id.Version = cmp.Or(id.Version, info.Main.Version)
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				id.Revision = setting.Value
			}
		}
	}
	id.Version = cmp.Or(id.Version, "(devel)")
	return id
}
