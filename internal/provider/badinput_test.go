package provider_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// instance without a fault: a main container and a sidecar that write and read the same volume.
func instance() object {
	return object{
		"name": "web",
		"main": object{
			"image": "registry.example.com/web:1", "ports": object{"http": object{"port": 8080}},
			"mounts": object{"logs": object{"path": "/var/log/web"}},
		},
		"sidecars": object{
			"logs":   object{"log_saver": object{"paths": []string{"/var/log/web/*.log"}, "sink": object{"bucket": object{"url": "s3://logs?region=eu-central-1"}}}},
			"helper": object{"container": object{"image": "registry.example.com/helper:1"}},
		},
		"volumes": object{"logs": object{"ephemeral": object{"size": "64Mi"}}},
		"expose":  object{"http": object{"port": 80}},
	}
}

type fault struct {
	name   string
	change object
	path   string // of the attribute, as it is shown to the user
	says   string
}

// What Terraform itself refuses, by the schema. What it does not is an unknown attribute within an object: it drops that
// before any provider sees it.
var faultsOfTheSchema = []fault{
	{"main is missing", object{"main": nil}, "main", "required"},
	{"an attribute that does not exist", object{"replica": 2}, "replica", "Did you mean"},
	{"a number that is none", object{"replicas": "many"}, "replicas", "a number is required"},
	{"a required attribute in an object is missing", object{"main.image": nil}, "image", "required"},
}

// Each of these is refused before anything is asked of a cluster.
var faults = []fault{
	{"no sidecar", object{"sidecars": object{}}, "sidecars", "at least one"},

	// Names.
	{"a name in capitals", object{"name": "Web"}, "name", "lower-case"},
	{"a name that is too long", object{"name": strings.Repeat("a", 41)}, "name", "at most 40"},
	{"a namespace that is none", object{"namespace": "my space"}, "namespace", "letters, digits"},
	{"a sidecar's name that is too long", object{"sidecars." + strings.Repeat("s", 31): object{"container": object{"image": "x"}}}, `sidecars["` + strings.Repeat("s", 31) + `"]`, "at most 30"},
	{"a sidecar with main's name", object{"sidecars.main": object{"container": object{"image": "x"}}}, `sidecars["main"]`, "choose another"},
	{"two init containers of one name", object{"init": []object{{"name": "a", "image": "x"}, {"name": "a", "image": "x"}}}, "init[1].name", "earlier"},
	{"a port's name that is too long", object{"main.ports.a-very-long-name-x": object{"port": 1}}, `main.ports["a-very-long-name-x"]`, "at most 15"},

	// Images.
	{"an image name in capitals", object{"main.image": "UPPER/Case"}, "main.image", "REGISTRY/NAME:TAG"},
	{"an image name with a space", object{"sidecars.helper.container.image": "a b"}, `sidecars["helper"].container.image`, "REGISTRY/NAME:TAG"},
	{"an empty image name", object{"main.image": ""}, "main.image", "empty"},

	// Resources.
	{"an amount of CPU that is none", object{"main.resources": object{"requests": object{"cpu": "lots"}}}, "main.resources.requests.cpu", "lots"},
	{"an amount of memory that is none", object{"main.resources": object{"limits": object{"memory": "64 MB"}}}, "main.resources.limits.memory", "64 MB"},
	{
		"a limit below the request", object{"main.resources": object{"requests": object{"memory": "64Mi"}, "limits": object{"memory": "32Mi"}}},
		"main.resources.limits.memory", "below the request",
	},
	{"too little memory for any container", object{"main.resources": object{"limits": object{"memory": "1Mi"}}}, "main.resources.limits.memory", "at least 4Mi"},
	{
		"a sidecar's limit below its request", object{"sidecars.logs.log_saver.resources": object{"requests": object{"cpu": "2"}, "limits": object{"cpu": "1"}}},
		`sidecars["logs"].log_saver.resources.limits.cpu`, "below the request",
	},
	{"fewer than no replicas", object{"replicas": -1}, "replicas", "at least 0"},

	// Ports.
	{"a port that is none", object{"main.ports.http.port": 70000}, `main.ports["http"].port`, "65535"},
	{
		"two companions at one port", object{
			"sidecars.a": object{"container": object{"image": "x", "ports": object{"a": object{"port": 9000}}}},
			"sidecars.b": object{"container": object{"image": "x", "ports": object{"b": object{"port": 9000}}}},
		},
		`sidecars["b"].container.ports["b"].port`, `taken by sidecars["a"].container.ports["a"]`,
	},
	{
		"a companion at main's port", object{"sidecars.helper.container.ports": object{"other": object{"port": 8080}}},
		`sidecars["helper"].container.ports["other"].port`, `taken by main.ports["http"]`,
	},
	{"the address of a port that main has not", object{"expose.admin": object{}}, `expose["admin"].target`, "no port"},
	{"a node port for the cluster", object{"expose.http.node_port": 30000}, `expose["http"].node_port`, `reach = "node"`},
	{
		"a probe of a port that is not there", object{"main.probes": object{"readiness": object{"http": object{"port": "admin"}}}},
		"main.probes.readiness.http.port", "no port",
	},

	// Probes and hooks.
	{"a probe of two kinds", object{"main.probes": object{"liveness": object{"tcp": object{"port": "http"}, "exec": []string{"true"}}}}, "main.probes.liveness", "exactly one"},
	{
		"a probe longer than its period", object{"main.probes": object{"liveness": object{"tcp": object{"port": "http"}, "timeout": "9s", "period": "5s"}}},
		"main.probes.liveness.timeout", "overlap",
	},
	{"a period that is no time", object{"main.probes": object{"liveness": object{"tcp": object{"port": "http"}, "period": "often"}}}, "main.probes.liveness.period", "often"},
	{"a hook that does nothing", object{"main.lifecycle_hooks": object{"pre_stop": object{}}}, "main.lifecycle_hooks.pre_stop", "exactly one"},

	// Volumes.
	{"a mount of a volume that does not exist", object{"main.mounts.data": object{"path": "/data"}}, `main.mounts["data"]`, "no volume"},
	{
		"a sidecar's mount of a volume that does not exist", object{"sidecars.helper.container.mounts": object{"data": object{"path": "/data"}}},
		`sidecars["helper"].container.mounts["data"]`, "no volume",
	},
	{"a volume of two kinds", object{"volumes.logs.secret": object{"secret": "x"}}, `volumes["logs"]`, "exactly one"},
	{"a relative mount", object{"main.mounts.logs.path": "logs"}, `main.mounts["logs"].path`, "absolute"},
	{"a size that is none", object{"volumes.logs.ephemeral.size": "big"}, `volumes["logs"].ephemeral.size`, "big"},
	{"a file name with a slash", object{"volumes.settings": object{"config": object{"files": object{"a/b": "x"}}}}, `volumes["settings"].config.files["a/b"]`, "base name"},
	{"files that no engine's object holds", object{"volumes.settings": object{"config": object{"files": object{"a": strings.Repeat("x", 49<<10)}}}}, `volumes["settings"].config.files`, "at most"},
	{
		"one volume of two writers", object{"replicas": 2, "volumes.data": object{"persistent": object{"size": "1Gi"}}},
		`volumes["data"].persistent.shared`, "interchangeable",
	},

	// Secrets, environment, security.
	{"a variable that cannot be one", object{"main.env": object{"1A": "x"}}, `main.env["1A"]`, "environment variable"},
	{"a variable twice", object{"main.env": object{"A": "x"}, "main.secret_env": object{"A": object{"secret": "s", "key": "k"}}}, `main.secret_env["A"]`, "also in env"},
	{"a secret without values", object{"secrets": object{"key": object{}}}, `secrets["key"]`, "generate"},
	{"values without a version", object{"secrets": object{"key": object{"values_wo": object{"a": "b"}}}}, `secrets["key"].values_wo_version`, "must be set"},
	{"too little randomness", object{"secrets": object{"key": object{"generate": object{"a": 8}}}}, `secrets["key"].generate["a"]`, "16"},
	{"root without leave", object{"main.security": object{"user": 0}}, "main.security.user", "allow_root"},
	{"a capability that is none", object{"main.security": object{"capabilities": []string{"net_bind"}}}, "main.security.capabilities[0]", "NET_BIND_SERVICE"},

	// Across fields.
	{"an identity that is none", object{"identity": "sticky"}, "identity", `"stable"`},
	{"a sidecar of two kinds", object{"sidecars.logs.container": object{"image": "x"}}, `sidecars["logs"]`, "exactly one"},

	// The log saver's own.
	{"a log that nobody else sees", object{"sidecars.logs.log_saver.paths": []string{"/elsewhere/*.log"}}, `sidecars["logs"].log_saver.paths[0]`, "main.mounts"},
	{"a relative log", object{"sidecars.logs.log_saver.paths": []string{"x.log"}}, `sidecars["logs"].log_saver.paths[0]`, "absolute"},
	{"a sink of no kind", object{"sidecars.logs.log_saver.sink": object{}}, `sidecars["logs"].log_saver.sink`, "exactly one"},
	{"a bucket of nobody", object{"sidecars.logs.log_saver.sink.bucket.url": "ftp://x"}, `sidecars["logs"].log_saver.sink.bucket.url`, "s3://"},
	{"a batch that never ends", object{"sidecars.logs.log_saver.batch": object{"max_age": "soon"}}, `sidecars["logs"].log_saver.batch.max_age`, "soon"},
	{"a multi-line pattern that is none", object{"sidecars.logs.log_saver.multiline": object{"pattern": "("}}, `sidecars["logs"].log_saver.multiline.pattern`, "("},
}

func TestBadInputIsRefusedWithTheAttributesPath(t *testing.T) {
	provider := object{"kubernetes": object{"host": "https://127.0.0.1:1"}}
	t.Run("and good input is not", func(t *testing.T) {
		for _, d := range terraform(t, provider, object{"good": instance()}, "validate") {
			assert.NotEqual(t, "error", d.Severity, "%v", d)
		}
	})
	for _, f := range faultsOfTheSchema {
		t.Run(f.name, func(t *testing.T) {
			f.check(t, terraform(t, provider, object{"bad": with(t, instance(), f.change)}, "validate"))
		})
	}
	all := object{}
	for i, f := range faults {
		all[fmt.Sprintf("case%d", i)] = with(t, instance(), f.change)
	}
	said := byInstance(terraform(t, provider, all, "validate"))
	for i, f := range faults {
		t.Run(f.name, func(t *testing.T) { f.check(t, said[fmt.Sprintf("pattern_sidecar.case%d", i)]) })
	}
}

// What an engine cannot do is refused at plan, which asks no cluster.
func TestWhatAnEngineCannotDoIsRefusedWithTheAttributesPath(t *testing.T) {
	for _, engine := range []struct {
		name     string
		provider object
		faults   []fault
	}{
		{"kubernetes", object{"kubernetes": object{"host": "https://127.0.0.1:1"}}, []fault{
			{"a namespace that Kubernetes does not allow", object{"namespace": "my_space"}, "namespace", "RFC 1123"},
			{"a stop signal", object{"main.stop_signal": "SIGQUIT"}, "main.stop_signal", "STOPSIGNAL"},
			{"an affinity that is none", object{"kubernetes": object{"affinity": "{"}}, "kubernetes.affinity", "JSON"},
			{"a toleration that is none", object{"kubernetes": object{"tolerations": []object{{"effect": "Never"}}}}, "kubernetes.tolerations[0].effect", "NoSchedule"},
			{"an address that is none", object{"kubernetes": object{"host_aliases": []object{{"ip": "here", "hostnames": []string{"a"}}}}}, "kubernetes.host_aliases[0].ip", "here"},
		}},
		{"nomad", object{"nomad": object{"address": "http://127.0.0.1:1"}}, []fault{
			{"a probe by a command", object{"main.probes": object{"readiness": object{"exec": []string{"true"}}}}, "main.probes.readiness.exec", "run no commands"},
			{"a load balancer", object{"expose.http.reach": "load_balancer"}, "expose", "load balancers"},
			{"two init containers", object{"init": []object{{"name": "a", "image": "x"}, {"name": "b", "image": "x"}}}, "init", "at once"},
			{"a part of a volume", object{"main.mounts.logs.sub_path": "x"}, `main.mounts["logs"].sub_path`, "whole volume"},
		}},
	} {
		t.Run(engine.name, func(t *testing.T) {
			all := object{}
			for i, f := range engine.faults {
				all[fmt.Sprintf("case%d", i)] = with(t, instance(), f.change)
			}
			said := byInstance(terraform(t, engine.provider, all, "plan"))
			for i, f := range engine.faults {
				t.Run(f.name, func(t *testing.T) { f.check(t, said[fmt.Sprintf("pattern_sidecar.case%d", i)]) })
			}
		})
	}
}

func byInstance(all []diagnostic) map[string][]diagnostic {
	by := map[string][]diagnostic{}
	for _, d := range all {
		if d.Severity == "error" {
			by[d.Address] = append(by[d.Address], d)
		}
	}
	return by
}

// check that there is an error about the attribute, by the path that the user wrote.
func (f fault) check(t *testing.T, said []diagnostic) {
	t.Helper()
	for _, d := range said {
		text := d.Summary + " " + d.Detail
		at := strings.HasPrefix(d.Detail, f.path+": ") || // ours
			strings.Contains(d.Detail, `"`+f.path+`"`) // Terraform's own, which goes by the schema
		if at && strings.Contains(text, f.says) {
			return
		}
	}
	assert.Fail(t, "no error says so", "want an error at %s that says %q; there is:\n%+v", f.path, f.says, said)
}
