package workqueue

import (
	"strings"

	"github.com/container-patterns/terraform-provider-pattern/internal/fault"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/framework"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/workload"
)

// Validate returns every fault of the spec.
func (s *Spec) Validate() fault.List {
	var l fault.List
	s.Instance.Validate(&l)
	s.validateSecrets(&l)
	s.validateQueue(&l)
	for _, name := range s.names() {
		s.validateStage(&l, name)
	}
	s.validateStore(&l)
	s.validateWait(&l)
	// What the server itself would refuse.
	for _, f := range fault.Of(s.config().Validate()) {
		if at, known := written(f.Path); known {
			needs := []string{"stages"}
			if !strings.HasPrefix(at, "stages") {
				needs = nil
			}
			l.AddNeeding(needs, at, "%s", f.Message)
		}
	}
	return l
}

// written is the attribute that a path of the server's configuration comes from; false if it is none of the user's.
func written(where string) (string, bool) {
	for from, to := range map[string]string{
		"sink.url": "sink.bucket.url", "sink.prefix": "sink.bucket.prefix", "payloads.inline_bytes": "payloads.inline_size",
		"retention": "queue.retention", "deduplication_window": "queue.deduplication_window",
		"limits.item_bytes": "queue.limits.item_size", "limits.body_bytes": "queue.limits.body_size", "limits.batch": "queue.limits.batch",
		"limits.requests_per_second": "queue.limits.requests_per_second", "limits.connections": "queue.limits.connections",
	} {
		if where == from {
			return to, true
		}
	}
	for _, same := range []string{"stages", "source.", "payloads.", "store.postgres.schema"} {
		if strings.HasPrefix(where, same) {
			return where, true
		}
	}
	return "", false
}

func (s *Spec) validateSecrets(l *fault.List) {
	framework.ValidateSecrets(l, s.Secrets)
	for _, own := range []string{ClientToken, WorkerToken} {
		if _, taken := s.Secrets[own]; taken {
			l.Add(fault.Key("secrets", own), "the work queue makes a secret of that name: choose another")
		}
	}
}

func (s *Stage) validateElections(l *fault.List, w workload.Workload, scope *workload.Scope) {
	w.Replicas = s.replicas()
	var own fault.List
	s.Elections.Validate(&own, &w, s.Sidecars.Containers(), scope)
	for _, f := range own {
		if f.Path == "replicas" {
			f.Path = "workers"
		}
		*l = append(*l, f)
	}
}

func (s *Spec) validateStage(l *fault.List, name string) {
	stage, at := s.Stages[name], fault.Key("stages", name)
	w := stage.workload(s.Secrets)
	scope := w.Scope()
	var own fault.List
	w.Validate(&own, scope)
	scope.ClaimPort(&own, "main.ports[worker]", workerPort, workerManagementPort, "tcp")
	stage.validateElections(&own, w, scope)
	w.Main.Ports = withWorkerPort(w.Main.Ports)
	stage.Sidecars.Validate(&own, "sidecars", &w, scope)
	if len(stage.Command) == 0 {
		own.Add("main.command", "must name the command: what the image itself would start is not known here")
	}
	for k := range stage.Volumes {
		framework.Reserved(&own, fault.Key("volumes", k), k)
	}
	if _, taken := stage.Sidecars[installer]; taken {
		own.Add(fault.Key("sidecars", installer), "a container of the framework has that name: choose another")
	}
	for i, c := range stage.Init {
		if c.Name == installer {
			own.Add(fault.At("init", i)+".name", "a container of the framework has that name: choose another")
		}
	}
	if stage.Probes != nil {
		own.Add("main.probes", "the worker is probed in the container's stead: remove it, and use http.ready_path for a server")
	}
	if stage.Lifecycle != nil {
		own.Add("main.lifecycle_hooks", "the worker starts and ends the command: remove it")
	}
	for _, env := range []string{envConfig, envIndex} {
		if _, taken := stage.Env[env]; taken {
			own.Add(fault.Key("main.env", env), "the worker has that variable: choose another name")
		}
	}
	for k, m := range stage.Mounts {
		if m.Path == "/pattern" || strings.HasPrefix(m.Path, "/pattern/") {
			own.Add(fault.Key("main.mounts", k)+".path", "/pattern is the framework's own: choose another")
		}
	}
	if stage.HTTP != nil && stage.HTTP.Port == workerManagementPort {
		own.Add("main.http.port", "%d is the worker's own: let the server listen on another", workerManagementPort)
	}
	if _, most := stage.bounds(); most > 1 {
		for k, v := range stage.Volumes {
			if v.Persistent != nil && v.Persistent.Existing != "" && !v.Persistent.Shared {
				own.AddNeeding([]string{"main.workers"}, fault.Key("volumes", k)+".persistent.existing", "up to %d workers would mount one volume: set shared = true if it allows that, or workers.max = 1", most)
			}
		}
	}
	*l = append(*l, framework.Below(at, framework.WithoutSecrets(own))...)

	for _, f := range fault.Of(s.workerConfig(name).Validate()) {
		if workerAttribute(f.Path) {
			l.Add(at+"."+f.Path, "%s", f.Message)
		}
	}
}

// workerAttribute tells whether a path of the worker's configuration is an attribute of a stage that is not judged already.
func workerAttribute(where string) bool {
	for _, own := range []string{"mode", "http", "exit_codes", "kill_after"} {
		if where == own || strings.HasPrefix(where, own+".") || strings.HasPrefix(where, own+"[") {
			return true
		}
	}
	return false
}

func (s *Spec) validateQueue(l *fault.List) {
	w := s.queueWorkload()
	if s.Queue != nil && s.Queue.Image != "" {
		w.Main.Image = s.Queue.Image
	} else {
		w.Main.Image = "framework" // the provider's own is checked by the provider
	}
	var own fault.List
	w.Validate(&own, w.Scope())
	for _, f := range framework.WithoutSecrets(own) {
		if strings.HasPrefix(f.Path, "volumes") {
			*l = append(*l, atStore(f))
			continue
		}
		*l = append(*l, framework.Below("queue", fault.List{f})...)
	}
	if s.Queue != nil {
		s.Queue.Expose.Validate(l, "queue.expose")
	}
}

// atStore puts a fault of the data volume at the attribute that it comes from.
func atStore(f fault.Fault) fault.Fault {
	const from, to = `volumes["data"].persistent`, "store.embedded"
	f.Path = strings.Replace(f.Path, from, to, 1)
	for i := range f.Needs {
		f.Needs[i] = strings.Replace(f.Needs[i], from, to, 1)
	}
	return f
}

func (s *Spec) validateStore(l *fault.List) {
	if s.Store == nil {
		return
	}
	if s.Store.Embedded != nil && s.Store.Postgres != nil {
		l.Add("store", "at most one of embedded, postgres can be set")
	}
	p := s.Store.Postgres
	if p == nil {
		return
	}
	if p.URL.Secret == "" {
		l.Add("store.postgres.url.secret", "must not be empty")
	}
	if p.URL.Key == "" {
		l.Add("store.postgres.url.key", "must not be empty")
	}
	if p.Servers < 0 || p.Servers > 16 {
		l.Add("store.postgres.servers", "must be 1 to 16, got %d", p.Servers)
	}
}

func (s *Spec) validateWait(l *fault.List) {
	if !s.Wait {
		return
	}
	var in Source
	if s.Source != nil {
		in = *s.Source
	}
	c := in.config()
	switch {
	case c.Finite():
	case in.Bucket == nil && in.HTTP == nil && in.List == nil && len(in.Schedule) == 0:
		l.AddNeeding([]string{"source"}, "wait", "there is no source that could come to its end: items that are pushed are not waited for")
	default:
		l.AddNeeding([]string{"source"}, "wait", "the source never ends, as it is watched or scheduled: remove wait, or watch and schedule")
	}
}
