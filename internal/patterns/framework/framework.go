// Package framework is what the containers of the framework have in common in all patterns whose groups they are, and how a
// pattern puts the faults and changes of the workloads that it is made of at its own attributes.
package framework

import (
	"strings"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/internal/fault"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/workload"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// VolumePrefix is what the names of the framework's own volumes begin with.
const VolumePrefix = "pattern-"

// HTTPPort is the name under which a server's address is told; clients find it by that.
const HTTPPort = "http"

// user is whom framework containers run as.
const user = int64(65532)

// Security of a framework container.
func Security() topology.Security {
	id, group := user, user
	return topology.Security{User: &id, Group: &group}
}

// Probes of a framework container by its management port.
func Probes(port string) topology.Probes {
	ask := func(path string, period, failures int) *topology.Probe {
		return &topology.Probe{HTTP: &topology.HTTPAction{Port: port, Path: path}, PeriodSeconds: period, TimeoutSeconds: 2, FailureThreshold: failures}
	}
	return topology.Probes{Startup: ask("/health/startup", 2, 60), Readiness: ask("/health/ready", 2, 3), Liveness: ask("/health/live", 10, 6)}
}

// Grace is what the end of a replica leaves to a framework container: all but the moment that the exit itself takes.
func Grace(e topology.Termination) time.Duration {
	const exit = 2
	return time.Duration(max(1, e.GraceSeconds-exit)) * time.Second
}

// Ending of a workload to which requests come: it drains.
func Ending(w workload.Workload) topology.Termination {
	w.Expose = map[string]workload.Expose{HTTPPort: {}}
	return w.Ending()
}

// Reserved tells whether the name of a volume is the framework's own, and adds the fault if it is.
func Reserved(l *fault.List, at, volume string) {
	if strings.HasPrefix(volume, VolumePrefix) {
		l.Add(at, "names that begin with %q are the framework's own: choose another", VolumePrefix)
	}
}

// Below puts faults of a workload under the attribute of its container: what the workload has as main.image is at.image.
// Those of secrets are the instance's and stay where they are.
func Below(at string, in fault.List) (out fault.List) {
	moved := func(path string) string {
		switch {
		case path == workload.MainName:
			return at
		case strings.HasPrefix(path, workload.MainName+"."):
			return at + strings.TrimPrefix(path, workload.MainName)
		case strings.HasPrefix(path, "secrets"):
			return path
		}
		return fault.Join(at, path)
	}
	for _, f := range in {
		f.Path = moved(f.Path)
		needs := f.Needs
		f.Needs = nil
		for _, n := range needs {
			f.Needs = append(f.Needs, moved(n))
		}
		out = append(out, f)
	}
	return out
}

// ValidateSecrets of an instance once, whatever the number of workloads that have them.
func ValidateSecrets(l *fault.List, secrets map[string]workload.SecretSet) {
	w := workload.Workload{Secrets: secrets, Main: workload.Container{Image: "none"}}
	w.Validate(l, w.Scope())
}

// WithoutSecrets leaves out the faults that [ValidateSecrets] tells.
func WithoutSecrets(in fault.List) (out fault.List) {
	for _, f := range in {
		if !strings.HasPrefix(f.Path, "secrets") {
			out = append(out, f)
		}
	}
	return out
}
