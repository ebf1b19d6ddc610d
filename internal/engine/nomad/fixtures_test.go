package nomad

import (
	"encoding/json"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// extras in the form of a topology.
func extras(text string) map[string]json.RawMessage {
	return map[string]json.RawMessage{Name: json.RawMessage(text)}
}

// minimal is an instance of one container.
func minimal() *topology.Topology {
	return &topology.Topology{
		Pattern: "sidecar", Name: "web", Namespace: "apps",
		Groups: []topology.Group{{
			Name: "main", Identity: topology.Interchangeable, Replicas: new(1), Termination: topology.Termination{GraceSeconds: 30},
			Containers: []topology.Container{{Name: "main", Origin: "main", Role: topology.Main, Image: "example/web:1"}},
		}},
	}
}

// full is the paper's figure 1 with everything that a sidecar has.
func full() *topology.Topology {
	t := minimal()
	t.Labels, t.Annotations = map[string]string{"team": "a"}, map[string]string{"note": "b"}
	g := &t.Groups[0]
	g.Replicas, g.Priority = new(8), topology.PriorityHigh
	g.Termination.DrainSeconds = 3
	g.Update = topology.Update{MinReadySeconds: 2, ProgressSeconds: 300}
	g.Spread = []topology.Spread{{Over: "node"}, {Over: "zone", Required: true}}
	g.Extras = extras(`{"datacenters":["dc1"],"node_pool":"big","constraints":[{"attribute":"${attr.cpu.arch}","value":"amd64"}],"affinities":[{"attribute":"${meta.fast}","value":"yes","weight":50}],"meta":{"owner":"x"}}`)
	t.Configs = []topology.Config{
		{Name: "logs", Reload: true, Files: map[string]string{"config.yaml": "a: {{ .B }}\n"}},
		{Name: "site", Files: map[string]string{"index.html": "<p>{{ \"x\" }}</p>"}},
	}
	g.Volumes = []topology.Volume{
		{Name: "shared", Ephemeral: &topology.EphemeralVolume{SizeBytes: 100 << 20}},
		{Name: "cache", Ephemeral: &topology.EphemeralVolume{SizeBytes: 10 << 20}},
		{Name: "tmp", Ephemeral: &topology.EphemeralVolume{SizeBytes: 1 << 20, Memory: true}},
		{Name: "logs", Config: "logs"},
		{Name: "site", Config: "site"},
	}
	g.Services = []topology.Service{{Name: "web", Ports: []topology.ServicePort{{Name: "http", Port: 80, Target: "http"}}, Annotations: map[string]string{"lb": "yes"}}}
	main := &g.Containers[0]
	main.Command, main.Args, main.WorkDir = []string{"/web"}, []string{"--name=${HOSTNAME}"}, "/srv"
	main.PullPolicy, main.StopSignal = topology.PullAlways, "SIGQUIT"
	main.Env = []topology.Env{{Name: "PLAIN", Value: "a"}, {Name: "LITERAL", Value: "${NOMAD_JOB_ID}"}, {Name: "ID", Field: topology.FieldReplica}}
	main.Ports = []topology.Port{{Name: "http", Number: 8080, Protocol: "tcp"}, {Name: "local", Number: 8081, Protocol: "tcp"}}
	main.Mounts = []topology.Mount{{Volume: "shared", Path: "/logs"}, {Volume: "tmp", Path: "/tmp"}, {Volume: "site", Path: "/site/index.html", SubPath: "index.html"}}
	main.Resources = topology.Resources{
		Requests: topology.Amounts{MilliCPU: 1500, MemoryBytes: 256 << 20, StorageBytes: 20 << 20},
		Limits:   topology.Amounts{MilliCPU: 1500, MemoryBytes: 512 << 20},
	}
	main.Probes = topology.Probes{
		Readiness: &topology.Probe{HTTP: &topology.HTTPAction{Port: "http", Path: "/ready", Scheme: "https"}, PeriodSeconds: 5, TimeoutSeconds: 2, FailureThreshold: 3},
		Liveness:  &topology.Probe{TCP: &topology.TCPAction{Port: "http"}, PeriodSeconds: 10, TimeoutSeconds: 1, FailureThreshold: 3, DelaySeconds: 7},
	}
	logs := topology.Container{
		Name: "logs", Origin: `sidecars["logs"].log_saver`, Role: topology.Companion, Framework: true, Image: "example/logsaver:1",
		Ports:     []topology.Port{{Name: "mgmt", Number: 9901, Protocol: "tcp"}},
		Mounts:    []topology.Mount{{Volume: "shared", Path: "/logs", ReadOnly: true}, {Volume: "cache", Path: "/cache"}, {Volume: "logs", Path: "/etc/logs"}},
		Resources: topology.Resources{Requests: topology.Amounts{MilliCPU: 10, MemoryBytes: 32 << 20}},
		Probes:    topology.Probes{Startup: &topology.Probe{HTTP: &topology.HTTPAction{Port: "mgmt", Path: "/health/startup"}, PeriodSeconds: 1, TimeoutSeconds: 1, FailureThreshold: 60}},
		Security:  topology.Security{User: new(int64(65532)), Group: new(int64(65532))},
	}
	g.Containers = []topology.Container{logs, *main}
	return t
}

// withInit has a container of each role.
func withInit() *topology.Topology {
	t := full()
	g := &t.Groups[0]
	g.Containers = append([]topology.Container{{Name: "prepare", Role: topology.Init, Image: "example/prepare:1"}}, g.Containers...)
	return t
}

func stable() *topology.Topology {
	t := minimal()
	g := &t.Groups[0]
	g.Identity, g.Replicas = topology.Stable, new(3)
	g.Volumes = []topology.Volume{
		{Name: "data", Persistent: &topology.PersistentVolume{SizeBytes: 1 << 30, DeleteWithInstance: true}},
		{Name: "old", Persistent: &topology.PersistentVolume{Existing: "archive"}},
	}
	g.Services = []topology.Service{{Name: "web", Headless: true, Ports: []topology.ServicePort{{Name: "http", Port: 80, Target: "http"}, {Name: "admin", Port: 81, Target: "admin"}}}}
	c := &g.Containers[0]
	c.Ports = []topology.Port{{Name: "http", Number: 8080, Protocol: "tcp"}, {Name: "admin", Number: 8081, Protocol: "tcp"}}
	c.Mounts = []topology.Mount{{Volume: "data", Path: "/data"}, {Volume: "old", Path: "/old", ReadOnly: true}}
	c.Env = []topology.Env{{Name: "INDEX", Field: topology.FieldIndex}}
	return t
}

func batch() *topology.Topology {
	t := minimal()
	g := &t.Groups[0]
	g.Identity, g.Replicas = topology.ToCompletion, nil
	g.Completion = &topology.Completion{Count: 4, Parallelism: 4, Retries: 2}
	g.Containers = append([]topology.Container{{Name: "logs", Role: topology.Companion, Image: "example/logs:1"}}, g.Containers...)
	return t
}

func granted() *topology.Topology {
	t := minimal()
	g := &t.Groups[0]
	g.Grants = []topology.Grant{{Verb: topology.GrantElect, Names: []string{"leader"}}, {Verb: topology.GrantScale}, {Verb: topology.GrantObserve}}
	g.Containers = append([]topology.Container{{Name: "elector", Role: topology.Companion, Framework: true, Image: "example/elector:1"}}, g.Containers...)
	return t
}

func loosened() *topology.Topology {
	t := minimal()
	t.Groups[0].Containers = []topology.Container{
		{Name: "root", Role: topology.Companion, Image: "example/a:1", Security: topology.Security{Privileged: true, Root: true, User: new(int64(0))}},
		{Name: "main", Role: topology.Main, Image: "example/b:1", Security: topology.Security{
			WritableRoot: true, Escalation: true, Unconfined: true, Capabilities: []string{"NET_BIND_SERVICE", "CHOWN"},
		}},
	}
	return t
}

func autoscaled() *topology.Topology {
	t := minimal()
	t.Groups[0].Replicas = nil
	return t
}

func withSecrets() *topology.Topology {
	t := minimal()
	t.Secrets = []topology.Secret{
		{Name: "db", Version: "3", Keys: []string{"password"}, Values: map[string]string{"password": "never shown"}},
		{Name: "made", Generate: map[string]int{"key": 32}},
	}
	g := &t.Groups[0]
	g.Volumes = []topology.Volume{{Name: "db", Secret: &topology.SecretVolume{Name: "db", Own: true}}}
	c := &g.Containers[0]
	c.Mounts = []topology.Mount{{Volume: "db", Path: "/run/db", ReadOnly: true}}
	c.Env = []topology.Env{
		{Name: "PASSWORD", Secret: &topology.SecretKey{Name: "db", Key: "password", Own: true}},
		{Name: "KEY", Secret: &topology.SecretKey{Name: "made", Key: "key", Own: true}},
		{Name: "TOKEN", Secret: &topology.SecretKey{Name: "shared/registry", Key: "token"}},
	}
	return t
}

func onNodePort() *topology.Topology {
	t := minimal()
	g := &t.Groups[0]
	g.Containers[0].Ports = []topology.Port{{Name: "http", Number: 8080, Protocol: "tcp"}}
	g.Services = []topology.Service{
		{Name: "web", Ports: []topology.ServicePort{{Name: "http", Port: 80, Target: "http"}}},
		{Name: "web-node", Exposure: topology.ExposeNode, Ports: []topology.ServicePort{{Name: "http", Port: 80, Target: "http", NodePort: 30080}}},
	}
	return t
}
