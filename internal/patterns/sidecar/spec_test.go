package sidecar

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/internal/fault"
	"github.com/container-patterns/terraform-provider-pattern/internal/patternstest"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// web is a web server whose log files a log saver collects, as JSON names it.
const web = `{
	"name": "web", "namespace": "shop", "replicas": 2,
	"main": {
		"image": "registry.example/nginx:1",
		"ports": {"http": {"port": 8080}},
		"mounts": {"logs": {"path": "/var/log/nginx"}},
		"probes": {"readiness": {"http": {"port": "http", "path": "/"}}}
	},
	"sidecars": {
		"logs": {"log_saver": {"paths": ["/var/log/nginx/*.log"], "sink": {"bucket": {"url": "s3://logs?region=eu-1"}}}},
		"sync": {"container": {"image": "registry.example/sync@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "ports": {"sync": {"port": 9600}}}}
	},
	"volumes": {"logs": {"ephemeral": {"size": "64Mi"}}},
	"expose": {"http": {"port": 80}}
}`

// spec is the web server with a JSON merge patch (RFC 7396) on top.
func spec(t *testing.T, patch string) *Spec {
	t.Helper()
	s := &Spec{}
	patternstest.Patch(t, s, web, patch)
	return s
}

func TestValidateNamesThePathOfEveryFault(t *testing.T) {
	for _, c := range []struct {
		name, patch string
		want        []string
	}{
		{"nothing is wrong", `{}`, nil},
		{"a name that is too long", `{"name": "a-name-that-is-longer-than-the-engines-can-append-to"}`, []string{"name"}},
		{"a name with a capital", `{"name": "Web"}`, []string{"name"}},
		{"no sidecar", `{"sidecars": null}`, []string{"sidecars"}},
		{"a sidecar of no kind", `{"sidecars": {"logs": {"log_saver": null}}}`, []string{`sidecars["logs"]`}},
		{"a sidecar of two kinds", `{"sidecars": {"logs": {"container": {"image": "a"}}}}`, []string{`sidecars["logs"]`}},
		{"a sidecar with the name of main", `{"sidecars": {"main": {"container": {"image": "a"}}}}`, []string{`sidecars["main"]`}},
		{"a wrong image name", `{"main": {"image": "Web Server"}}`, []string{"main.image"}},
		{"a wrong image name of a log saver", `{"sidecars": {"logs": {"log_saver": {"image": "a:b:c"}}}}`, []string{`sidecars["logs"].log_saver.image`}},
		{"a port twice among companions", `{"sidecars": {"sync": {"container": {"ports": {"sync": {"port": 8080}}}}}}`, []string{`sidecars["sync"].container.ports["sync"].port`}},
		{"a port name twice among companions", `{"sidecars": {"sync": {"container": {"ports": {"http": {"port": 1}}}}}}`, []string{`sidecars["sync"].container.ports["http"]`}},
		{"a port out of range", `{"main": {"ports": {"http": {"port": 70000}}}}`, []string{`main.ports["http"].port`}},
		{"a mount of a volume that does not exist", `{"main": {"mounts": {"cache": {"path": "/cache"}}}}`, []string{`main.mounts["cache"]`}},
		{"a relative mount path", `{"main": {"mounts": {"logs": {"path": "logs"}}}}`, []string{`main.mounts["logs"].path`, `sidecars["logs"].log_saver.paths[0]`}},
		{"two mounts at one path", `{"volumes": {"b": {"ephemeral": {}}}, "main": {"mounts": {"b": {"path": "/var/log/nginx/"}}}}`, []string{`main.mounts["logs"].path`}},
		{"resources that no machine can give", `{"main": {"resources": {"requests": {"memory": "2Gi"}, "limits": {"memory": "1Gi"}}}}`, []string{"main.resources.limits.memory"}},
		{"memory in which nothing starts", `{"main": {"resources": {"limits": {"memory": "1Mi"}}}}`, []string{"main.resources.limits.memory"}},
		{"a probe of a port that is not there", `{"main": {"probes": {"liveness": {"tcp": {"port": "admin"}}}}}`, []string{"main.probes.liveness.tcp.port"}},
		{"a probe of two kinds", `{"main": {"probes": {"readiness": {"tcp": {"port": "http"}}}}}`, []string{"main.probes.readiness"}},
		{"a log path outside of every volume", `{"sidecars": {"logs": {"log_saver": {"paths": ["/tmp/*.log"]}}}}`, []string{`sidecars["logs"].log_saver.paths[0]`}},
		{"a log saver without a sink", `{"sidecars": {"logs": {"log_saver": {"sink": {"bucket": null}}}}}`, []string{`sidecars["logs"].log_saver.sink`}},
		{"a sink with credentials in its URL", `{"sidecars": {"logs": {"log_saver": {"sink": {"bucket": null, "loki": {"url": "http://me:pw@loki"}}}}}}`, []string{`sidecars["logs"].log_saver.sink.loki.url`}},
		{"a spool below a batch", `{"sidecars": {"logs": {"log_saver": {"spool": {"max_bytes": "1Mi"}}}}}`, []string{`sidecars["logs"].log_saver.spool.max_bytes`}},
		{"batches that memory cannot hold", `{"sidecars": {"logs": {"log_saver": {"batch": {"max_bytes": "32Mi"}}}}}`, []string{`sidecars["logs"].log_saver.batch.max_bytes`}},
		{"memory for large batches", `{"sidecars": {"logs": {"log_saver": {"batch": {"max_bytes": "32Mi"}, "resources": {"limits": {"memory": "256Mi"}}}}}}`, nil},
		{"a key that an own secret does not have", `{"secrets": {"s": {"generate": {"k": 32}}}, "main": {"secret_env": {"A": {"secret": "s", "key": "x"}}}}`, []string{`main.secret_env["A"].key`}},
		{"a key of a secret whose values are not known", `{"secrets": {"s": {"values_wo_version": "1"}}, "main": {"secret_env": {"A": {"secret": "s", "key": "x"}}}}`, nil},
		{"a probe that is asked within a second", `{"main": {"probes": {"readiness": {"period": "500ms"}}}}`, []string{"main.probes.readiness.period"}},
		{"a timeout beyond the default period", `{"main": {"probes": {"readiness": {"timeout": "15s"}}}}`, []string{"main.probes.readiness.timeout"}},
		{"a request in which nothing starts", `{"main": {"resources": {"requests": {"memory": "1Mi"}}}}`, []string{"main.resources.requests.memory"}},
		{"a namespace with a space", `{"namespace": "my shop"}`, []string{"namespace"}},
		{"a namespace that begins with a digit", `{"namespace": "007-prod"}`, nil},
		{"a volume with the name of the log saver's own", `{"volumes": {"logs-state": {"ephemeral": {}}}}`, []string{`volumes["logs-state"]`}},
		{"a volume of no kind", `{"volumes": {"logs": {"ephemeral": null}}}`, []string{`volumes["logs"]`}},
		{"a persistent volume without a size", `{"volumes": {"data": {"persistent": {}}}, "replicas": 1}`, []string{`volumes["data"].persistent.size`}},
		{"replicas that share a volume by accident", `{"volumes": {"data": {"persistent": {"size": "1Gi"}}}}`, []string{`volumes["data"].persistent.shared`}},
		{"an exposed port that main does not have", `{"expose": {"admin": {}}}`, []string{`expose["admin"].target`}},
		{"a node port without its reach", `{"expose": {"http": {"node_port": 30080}}}`, []string{`expose["http"].node_port`}},
		{"an identity that there is not", `{"identity": "sticky"}`, []string{"identity"}},
		{"secret values without a version", `{"secrets": {"s": {"values_wo": {"k": "v"}}}}`, []string{`secrets["s"]`, `secrets["s"].values_wo_version`}},
		{"root without saying so", `{"main": {"security": {"user": 0}}}`, []string{"main.security.user"}},
		{"a variable twice", `{"main": {"env": {"A": "1"}, "secret_env": {"A": {"secret": "s", "key": "k"}}}}`, []string{`main.secret_env["A"]`}},
		{"init containers of one name", `{"init": [{"name": "a", "image": "a"}, {"name": "a", "image": "a"}]}`, []string{"init[1].name"}},
		{"an init container with the name of a sidecar", `{"init": [{"name": "sync", "image": "a"}]}`, []string{`sidecars["sync"]`}},
		{"a config file outside of its folder", `{"volumes": {"c": {"config": {"files": {"../x": ""}}}}}`, []string{`volumes["c"].config.files["../x"]`}},
		{"many faults at once", `{"name": "", "replicas": -1, "priority": "urgent"}`, []string{"name", "priority", "replicas"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, f := range spec(t, c.patch).Validate() {
				got = append(got, f.Path)
				assert.NotEmpty(t, f.Message)
			}
			assert.ElementsMatch(t, c.want, got)
		})
	}
}

func TestTopologyPutsTheLogSaverBesideMain(t *testing.T) {
	top := spec(t, `{}`).Topology(patternstest.Settings)
	require.Len(t, top.Groups, 1)
	g := top.Groups[0]

	var names []string
	for _, c := range g.Containers {
		names = append(names, c.Name+" "+string(c.Role))
	}
	assert.Equal(t, []string{"logs companion", "sync companion", "main main"}, names, "companions start before main")

	saver := g.Containers[0]
	assert.Equal(t, "registry.example/pattern/logsaver:1.2.3", saver.Image)
	assert.Contains(t, saver.Mounts, topology.Mount{Volume: "logs", Path: "/var/log/nginx", ReadOnly: true}, "it sees the files where main writes them")
	assert.Nil(t, saver.Probes.Readiness, "its trouble must not take main out of service")
	assert.Equal(t, 9601, saver.Ports[0].Number, "the management port keeps clear of the developer's ports")
	assert.Less(t, saver.Resources.Requests.MilliCPU, int64(100), "it scavenges CPU")
	assert.Zero(t, saver.Resources.Limits.MilliCPU)
	assert.Equal(t, []topology.Service{{Name: "web", Exposure: topology.ExposeCluster, Ports: []topology.ServicePort{{Name: "http", Port: 80, Target: "http"}}}}, g.Services)
}

func TestValidateLeavesTheSpecAlone(t *testing.T) {
	for _, sink := range []string{
		`{"syslog": {"address": "collector:6514"}}`, `{"loki": {"url": "http://loki"}}`, `{"http": {"url": "http://collector"}}`, `{"bucket": {"url": "s3://b"}}`,
	} {
		patch := `{"sidecars": {"logs": {"log_saver": {"multiline": {"preset": "go"}, "sink": null}}}}`
		read := func() *Spec {
			s := spec(t, patch)
			require.NoError(t, json.Unmarshal([]byte(sink), &s.Sidecars["logs"].LogSaver.Sink))
			return s
		}
		s := read()
		assert.Empty(t, s.Validate())
		assert.Equal(t, read(), s, sink)
		s.Topology(patternstest.Settings)
		assert.Equal(t, read(), s, sink)
	}
}

func TestRevisionFollowsWhatRuns(t *testing.T) {
	revision := func(patch string) string { return spec(t, patch).Topology(patternstest.Settings).Revision() }
	now := revision(`{}`)
	assert.Equal(t, now, revision(`{}`), "it is a function of the spec alone")
	for _, c := range []struct{ name, patch string }{
		{"an image", `{"main": {"image": "registry.example/nginx:2"}}`},
		{"a setting of the log saver", `{"sidecars": {"logs": {"log_saver": {"batch": {"max_age": "9s"}}}}}`},
		{"replicas", `{"replicas": 3}`},
		{"the version of a secret", `{"secrets": {"s": {"values_wo_version": "2"}}}`},
	} {
		t.Run(c.name, func(t *testing.T) { assert.NotEqual(t, now, revision(c.patch)) })
	}
	same := spec(t, `{"secrets": {"s": {"values_wo_version": "1"}}}`).Topology(patternstest.Settings).Revision()
	assert.Equal(t, same, revision(`{"secrets": {"s": {"values_wo": {"k": "v"}, "values_wo_version": "1"}}}`), "a plan knows no secret values")
}

func TestChangesSayWhatCannotBeMadeInPlace(t *testing.T) {
	const stable = `{"identity": "stable", "volumes": {"data": {"persistent": {"size": "2Gi", "class": "slow"%s}}}}`
	kept, gone := fmt.Sprintf(stable, ""), fmt.Sprintf(stable, `, "delete_with_instance": true`)
	for _, c := range []struct {
		name, was, is     string
		replaced, refused []string
	}{
		{"another image", `{}`, `{"main": {"image": "registry.example/nginx:2"}}`, nil, nil},
		{"another sidecar", `{}`, `{"sidecars": {"sync": null}}`, nil, nil},
		{"another name", `{}`, `{"name": "shop"}`, []string{"name"}, nil},
		{"another namespace", `{}`, `{"namespace": "b"}`, []string{"namespace"}, nil},
		{"another identity", `{}`, `{"identity": "stable"}`, []string{"identity"}, nil},
		{"the default identity, written out", `{}`, `{"identity": "interchangeable"}`, nil, nil},
		{"a larger volume", kept, `{"identity": "stable", "volumes": {"data": {"persistent": {"size": "3Gi", "class": "slow"}}}}`, nil, nil},
		{"a smaller volume that is kept", kept, `{"identity": "stable", "volumes": {"data": {"persistent": {"size": "1Gi", "class": "slow"}}}}`, nil, []string{`volumes["data"].persistent.size`}},
		{"another class of a volume that is kept", kept, `{"identity": "stable", "volumes": {"data": {"persistent": {"size": "2Gi", "class": "fast"}}}}`, nil, []string{`volumes["data"].persistent.class`}},
		{"another class of a volume that goes with the instance", gone, `{"identity": "stable", "volumes": {"data": {"persistent": {"size": "2Gi", "class": "fast"}}}}`, []string{`volumes["data"].persistent.class`}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			replaced, refused := spec(t, c.is).Changes(spec(t, c.was))
			assert.Equal(t, c.replaced, paths(replaced))
			assert.Equal(t, c.refused, paths(refused))
		})
	}
}

func paths(l fault.List) (out []string) {
	for _, f := range l {
		out = append(out, f.Path)
	}
	return out
}

func TestWhatRestsOnUnknownAttributesIsNoFault(t *testing.T) {
	for unknown, patch := range map[string]string{
		"volumes":    `{"volumes": null}`,
		"main.ports": `{"main": {"ports": null}}`,
	} {
		l := spec(t, patch).Validate()
		assert.NotEmpty(t, l)
		assert.Equal(t, fault.List(nil), l.Known([]string{unknown}))
	}
}
