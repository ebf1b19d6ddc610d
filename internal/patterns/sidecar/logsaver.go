package sidecar

import (
	"encoding/json"
	"fmt"
	"path"
	"strings"

	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/config"
	"github.com/container-patterns/terraform-provider-pattern/internal/fault"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/framework"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/workload"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// LogSaver is the paper's log saver: it collects what main writes to files and streams it to cluster storage.
// Paths are those that main sees.
type LogSaver struct {
	Paths        []string          `json:"paths"`
	Exclude      []string          `json:"exclude,omitempty"`
	Rotated      []string          `json:"rotated,omitempty"`
	Multiline    *config.Multiline `json:"multiline,omitempty"`
	MaxLineBytes config.Bytes      `json:"max_line_bytes,omitempty"`
	From         string            `json:"from,omitempty"`

	Sink  config.Sink  `json:"sink"`
	Batch config.Batch `json:"batch,omitzero"`
	Spool config.Spool `json:"spool,omitzero"`
	Retry config.Retry `json:"retry,omitzero"`

	// Image replaces the framework's own.
	Image     string                        `json:"image,omitempty"`
	Env       map[string]string             `json:"env,omitempty"`
	SecretEnv map[string]workload.SecretRef `json:"secret_env,omitempty"`
	// Mounts are further volumes by name: the CA or the password file of a sink.
	Mounts    map[string]workload.Mount `json:"mounts,omitempty"`
	Resources *workload.Resources       `json:"resources,omitempty"`
}

// Where things are in the log saver's container.
const (
	configFolder = "/etc/pattern"
	configFile   = "config.yaml"
	stateFolder  = "/var/lib/pattern"
)

// What the log saver is promised: little CPU and no limit of it, so that it scavenges what main leaves; and memory for
// its own bound (32 MiB resident) with room for the files that the kernel caches.
var defaultResources = topology.Resources{
	Requests: topology.Amounts{MilliCPU: 10, MemoryBytes: 32 << 20},
	Limits:   topology.Amounts{MemoryBytes: 96 << 20},
}

// place is where in an instance a framework sidecar stands.
type place struct {
	pattern  string
	origin   string
	instance workload.Instance
	name     string
	port     int
	workload *workload.Workload
	settings patterns.Settings
}

func (s *LogSaver) validate(l *fault.List, at, name string, w *workload.Workload) {
	files, state := ownVolumes(name)
	for _, v := range []string{files, state} {
		if _, taken := w.Volumes[v]; taken {
			l.Add(fault.Key("volumes", v), "the log saver %q brings a volume of that name: choose another", name)
		}
	}
	// Image, variables, mounts and resources are those of any container.
	image := s.Image
	if image == "" {
		image = "framework" // the provider's own is checked by the provider
	}
	c := workload.Container{Image: image, Env: s.Env, SecretEnv: s.SecretEnv, Mounts: s.Mounts, Resources: s.Resources}
	c.Validate(l, at, w.Scope())

	for i, p := range s.Paths {
		if !path.IsAbs(p) {
			continue // config says so
		}
		if volume, _ := w.Main.VolumeAt(p); volume == "" {
			l.AddNeeding([]string{"main.mounts"}, fault.At(at+".paths", i), "%q is in no volume of main, so nobody else can read it: mount a volume in main.mounts where the files are written", p)
		}
	}
	file := s.config(place{instance: workload.Instance{Name: "instance"}, name: name, port: firstManagementPort, workload: w})
	if limit := s.resources().Limits.MemoryBytes; limit > 0 && memoryFor(file.Batch) > limit {
		l.AddNeeding([]string{at + ".resources"}, at+".batch.max_bytes", "batches of %s need %d MiB of memory, and resources.limits.memory gives %d: raise it, or make batches smaller", file.Batch.MaxBytes, memoryFor(file.Batch)>>20, limit>>20)
	}
	for _, f := range fault.Of(file.Validate()) {
		where := strings.TrimPrefix(f.Path, "inputs[0].")
		switch where {
		case "name", "state_dir", "management.address", "spool.dir":
			continue // ours, not the user's
		}
		l.Add(at+"."+where, "%s", f.Message)
	}
}

// memoryFor is what the log saver needs for its batches, by its own documentation: 12 MiB and five times a batch.
func memoryFor(b config.Batch) int64 { return 12<<20 + 5*int64(b.MaxBytes) }

// resources of the container.
func (s *LogSaver) resources() topology.Resources {
	if s.Resources == nil {
		return defaultResources
	}
	return s.Resources.Topology()
}

// config is the file that the log saver reads.
func (s *LogSaver) config(p place) *config.Config {
	c := &config.Config{ // what main takes of the grace is not known; a kill loses nothing that is still on disk
		Pattern: p.pattern, Instance: p.instance.Name, Namespace: p.instance.Namespace, Container: p.name,
		Source: "${" + envReplica + "}",
		Inputs: []config.Input{{
			Name: p.name, Paths: s.Paths, Exclude: s.Exclude, Rotated: s.Rotated, Multiline: copied(s.Multiline),
			MaxLineBytes: s.MaxLineBytes, From: s.From,
		}},
		StateDir: stateFolder, Sink: s.Sink, Batch: s.Batch, Spool: s.Spool, Retry: s.Retry,
		Management: config.Management{Address: fmt.Sprintf(":%d", p.port)},
		Shutdown:   config.Shutdown{Grace: config.Duration(framework.Grace(p.workload.Ending()))},
	}
	// Defaults go into copies: the spec stays as it was written.
	c.Sink.Bucket, c.Sink.HTTP, c.Sink.Loki, c.Sink.Syslog = copied(c.Sink.Bucket), copied(c.Sink.HTTP), copied(c.Sink.Loki), copied(c.Sink.Syslog)
	if b := c.Sink.Bucket; b != nil && b.Prefix == "" {
		b.Prefix = p.instance.Name + "/"
	}
	c.SetDefaults()
	return c
}

func copied[T any](v *T) *T {
	if v == nil {
		return nil
	}
	c := *v
	return &c
}

// envReplica tells a framework container which replica it is in.
const envReplica = "PATTERN_REPLICA"

// ownVolumes are the names of the volumes that a log saver brings.
func ownVolumes(name string) (files, state string) { return name + "-config", name + "-state" }

func (s *LogSaver) addTo(parts *Parts, p place) {
	c := s.config(p)
	file, err := json.MarshalIndent(c, "", "  ")
	if err != nil { // plain data
		panic(err)
	}
	configVolume, stateVolume := ownVolumes(p.name)
	// The log saver takes a new configuration into use while it runs, so main need not restart for it.
	parts.Configs = append(parts.Configs, topology.Config{Name: configVolume, Files: map[string]string{configFile: string(file) + "\n"}, Reload: true})
	parts.Volumes = append(parts.Volumes,
		topology.Volume{Name: configVolume, Config: configVolume},
		topology.Volume{Name: stateVolume, Ephemeral: &topology.EphemeralVolume{SizeBytes: int64(c.Spool.MaxBytes) + 64<<20}},
	)

	port := managementPortName(p.port)
	container := topology.Container{
		Name: p.name, Origin: p.origin, Role: topology.Companion, Framework: true,
		Image: s.Image, PullPolicy: p.settings.PullPolicy,
		Env:       append(workload.Env(s.Env, s.SecretEnv, p.workload.Secrets), topology.Env{Name: envReplica, Field: topology.FieldReplica}),
		Ports:     []topology.Port{{Name: port, Number: p.port, Protocol: "tcp"}},
		Resources: s.resources(),
		Security:  framework.Security(),
		// No readiness probe: the group serves while its log saver has trouble. What the saver says of itself is at its
		// management port.
		Probes: topology.Probes{
			Startup:  &topology.Probe{HTTP: &topology.HTTPAction{Port: port, Path: "/health/startup"}, PeriodSeconds: 1, TimeoutSeconds: 1, FailureThreshold: 60},
			Liveness: &topology.Probe{HTTP: &topology.HTTPAction{Port: port, Path: "/health/live"}, PeriodSeconds: 10, TimeoutSeconds: 5, FailureThreshold: 6},
		},
		Mounts: append(s.logMounts(p.workload),
			topology.Mount{Volume: configVolume, Path: configFolder, ReadOnly: true},
			topology.Mount{Volume: stateVolume, Path: stateFolder},
		),
	}
	if container.Image == "" {
		container.Image = p.settings.Image("logsaver")
	}
	further := workload.Container{Mounts: s.Mounts}
	container.Mounts = append(container.Mounts, further.Topology("", "", topology.Companion, nil).Mounts...)
	parts.Containers = append(parts.Containers, container)
}

// logMounts show the saver the volumes that hold the files, where main has them, to read only.
func (s *LogSaver) logMounts(w *workload.Workload) []topology.Mount {
	var mounts []topology.Mount
	seen := map[string]bool{}
	for _, p := range s.Paths {
		volume, folder := w.Main.VolumeAt(p)
		if _, further := s.Mounts[volume]; volume == "" || seen[volume] || further {
			continue
		}
		seen[volume] = true
		mounts = append(mounts, topology.Mount{Volume: volume, Path: folder, SubPath: w.Main.Mounts[volume].SubPath, ReadOnly: true})
	}
	return mounts
}
