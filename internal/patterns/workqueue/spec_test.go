package workqueue

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	queue "github.com/container-patterns/terraform-provider-pattern/images/queue/config"
	worker "github.com/container-patterns/terraform-provider-pattern/images/worker/config"
	"github.com/container-patterns/terraform-provider-pattern/internal/patternstest"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// thumbs is a pipeline of two stages, as JSON names it.
const thumbs = `{
	"name": "thumbs", "namespace": "shop",
	"source": {"bucket": {"url": "s3://pictures?region=eu-1"}},
	"stages": {
		"prepare": {"image": "registry.example/magick:1", "command": ["convert", "$(WORK_ITEM_FILE)", "$(WORK_OUTPUT_FILE)"], "workers": {"min": 0, "max": 4, "concurrency": 2}},
		"frame": {"from": ["prepare"], "image": "registry.example/magick:1", "command": ["frame"], "timeout": "1m"}
	},
	"sink": {"bucket": {"url": "s3://thumbs"}},
	"queue": {"secret_env": {"AWS_ACCESS_KEY_ID": {"secret": "storage", "key": "access_key"}}},
	"secrets": {"storage": {"values_wo_version": "1"}}
}`

// spec is the pipeline with a JSON merge patch (RFC 7396) on top.
func spec(t *testing.T, patch string) *Spec {
	t.Helper()
	s := &Spec{}
	patternstest.Patch(t, s, thumbs, patch)
	return s
}

func TestValidateNamesThePathOfEveryFault(t *testing.T) {
	for _, c := range []struct {
		name, patch string
		want        []string
	}{
		{"nothing is wrong", `{}`, nil},
		{"no stage", `{"stages": null}`, []string{"stages"}},
		{"a circle", `{"stages": {"prepare": {"from": ["frame"]}}}`, []string{"stages"}},
		{"a stage that takes from itself", `{"stages": {"prepare": {"from": ["prepare"]}}}`, []string{`stages["prepare"].from[0]`}},
		{"an unknown stage", `{"stages": {"frame": {"from": ["crop"]}}}`, []string{`stages["frame"].from[0]`}},
		{"a reserved name", `{"stages": {"queue": {"image": "a", "command": ["a"]}}}`, []string{`stages["queue"]`}},
		{"a name that engines do not take", `{"stages": {"A_b": {"image": "a", "command": ["a"]}}}`, []string{`stages["A_b"]`}},
		{"no command", `{"stages": {"frame": {"command": null}}}`, []string{`stages["frame"].command`}},
		{"a wrong image", `{"stages": {"frame": {"image": "Magick One"}}}`, []string{`stages["frame"].image`}},
		{"more workers at least than at most", `{"stages": {"prepare": {"workers": {"min": 5}}}}`, []string{`stages["prepare"].workers.min`}},
		{"fewer workers than none", `{"stages": {"prepare": {"workers": {"min": -1}}}}`, []string{`stages["prepare"].workers.min`}},
		{"no attempt", `{"stages": {"prepare": {"max_attempts": -1}}}`, []string{`stages["prepare"].max_attempts`}},
		{"backoff the wrong way round", `{"stages": {"prepare": {"backoff": {"min": "1m", "max": "1s"}}}}`, []string{`stages["prepare"].backoff.max`}},
		{"a visibility of nothing", `{"stages": {"prepare": {"visibility": "1ms"}}}`, []string{`stages["prepare"].visibility`}},
		{"a mode that there is not", `{"stages": {"frame": {"mode": "grpc"}}}`, []string{`stages["frame"].mode`}},
		{"a server without a port", `{"stages": {"frame": {"mode": "http"}}}`, []string{`stages["frame"].http`}},
		{"the worker's own port", `{"stages": {"frame": {"mode": "http", "http": {"port": 9590}}}}`, []string{`stages["frame"].http.port`}},
		{"the worker's own port among a container's", `{"stages": {"frame": {"ports": {"x": {"port": 9590}}}}}`, []string{`stages["frame"].ports[worker].port`}},
		{"a code that is both", `{"stages": {"frame": {"exit_codes": {"done": [0], "retry": [0]}}}}`, []string{`stages["frame"].exit_codes.retry[0]`}},
		{"the framework's own folder", `{"stages": {"frame": {"volumes": {"v": {"ephemeral": {}}}, "mounts": {"v": {"path": "/pattern/bin"}}}}}`, []string{`stages["frame"].mounts["v"].path`}},
		{"the framework's own volume", `{"stages": {"frame": {"volumes": {"pattern-bin": {"ephemeral": {}}}}}}`, []string{`stages["frame"].volumes["pattern-bin"]`}},
		{"a mount of no volume", `{"stages": {"frame": {"mounts": {"v": {"path": "/v"}}}}}`, []string{`stages["frame"].mounts["v"]`}},
		{"a sidecar of no kind", `{"stages": {"frame": {"sidecars": {"s": {}}}}}`, []string{`stages["frame"].sidecars["s"]`}},
		{"a sidecar with the framework's name", `{"stages": {"frame": {"sidecars": {"install-worker": {"container": {"image": "a"}}}}}}`, []string{`stages["frame"].sidecars["install-worker"]`}},
		{"a key that an own secret does not have", `{"secrets": {"s": {"generate": {"k": 32}}}, "stages": {"frame": {"secret_env": {"A": {"secret": "s", "key": "x"}}}}}`, []string{`stages["frame"].secret_env["A"].key`}},
		{"a secret with the name of the framework's", `{"secrets": {"client-token": {"generate": {"k": 32}}}}`, []string{`secrets["client-token"]`}},
		{"a secret without values is said once", `{"secrets": {"s": {"values_wo": {"k": "v"}}}}`, []string{`secrets["s"]`, `secrets["s"].values_wo_version`}},
		{"a bucket that is none", `{"source": {"bucket": {"url": "pictures"}}}`, []string{"source.bucket.url"}},
		{"credentials in a URL", `{"sink": {"bucket": {"url": "s3://me:pw@b"}}}`, []string{"sink.bucket.url"}},
		{"a name that leads out", `{"source": {"list": {"../a": ""}}}`, []string{`source.list["../a"]`}},
		{"a cron that is none", `{"source": {"schedule": [{"name": "n", "cron": "now"}]}}`, []string{"source.schedule[0].cron"}},
		{"waiting for what never ends", `{"wait": true, "source": {"bucket": {"watch": "30s"}}}`, []string{"wait"}},
		{"waiting for nothing", `{"wait": true, "source": null}`, []string{"wait"}},
		{"waiting for a bucket", `{"wait": true}`, nil},
		{"two stores", `{"store": {"embedded": {}, "postgres": {"url": {"secret": "storage", "key": "k"}}}, "payloads": {"url": "s3://p"}}`, []string{"store"}},
		{"a postgres without payloads", `{"store": {"postgres": {"url": {"secret": "storage", "key": "k"}}}}`, []string{"payloads.url"}},
		{"a postgres without a secret", `{"store": {"postgres": {"url": {}}}, "payloads": {"url": "s3://p"}}`, []string{"store.postgres.url.secret", "store.postgres.url.key"}},
		{"an existing volume with a size", `{"store": {"embedded": {"existing": "v", "size": "1Gi"}}}`, []string{"store.embedded.existing"}},
		{"a reach that there is not", `{"queue": {"expose": {"reach": "moon"}}}`, []string{"queue.expose.reach"}},
		{"a node port without its reach", `{"queue": {"expose": {"node_port": 30080}}}`, []string{"queue.expose.node_port"}},
		{"a limit of nothing", `{"queue": {"limits": {"batch": -1}}}`, []string{"queue.limits.batch"}},
		{"a wrong image of the server", `{"queue": {"image": "a:b:c"}}`, []string{"queue.image"}},
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

func TestTheCircleIsNamed(t *testing.T) {
	faults := spec(t, `{"stages": {"prepare": {"from": ["source", "frame"]}}}`).Validate()
	require.Len(t, faults, 1)
	assert.Contains(t, faults[0].Message, "frame -> prepare -> frame")
}

func group(t *testing.T, top *topology.Topology, name string) *topology.Group {
	t.Helper()
	for i := range top.Groups {
		if top.Groups[i].Name == name {
			return &top.Groups[i]
		}
	}
	require.Fail(t, "there is no group", name)
	return nil
}

func configFor(t *testing.T, top *topology.Topology, name string, into any) {
	t.Helper()
	for _, c := range top.Configs {
		if c.Name == name {
			require.NoError(t, json.Unmarshal([]byte(c.Files[configFile]), into))
			return
		}
	}
	require.Fail(t, "there is no configuration", name)
}

func TestTopologyIsAServerAndAGroupOfWorkersForEachStage(t *testing.T) {
	top := spec(t, `{}`).Topology(patternstest.Settings)
	var names []string
	for _, g := range top.Groups {
		names = append(names, g.Name)
	}
	assert.Equal(t, []string{"queue", "frame", "prepare"}, names)

	server := group(t, top, "queue")
	assert.Equal(t, topology.Stable, server.Identity, "one server holds the store's volume")
	assert.Equal(t, 1, *server.Replicas)
	assert.Equal(t, []topology.Grant{{Verb: topology.GrantScale, Names: []string{"prepare"}}}, server.Grants, "only what it scales")
	assert.Equal(t, "registry.example/pattern/queue:1.2.3", server.Containers[0].Image)
	assert.Equal(t, "thumbs", server.Services[0].Name)

	prepare := group(t, top, "prepare")
	assert.Nil(t, prepare.Replicas, "the server decides")
	assert.Equal(t, topology.Stable, prepare.Identity, "the highest index goes first")
	assert.Equal(t, 1, *group(t, top, "frame").Replicas)
	require.Len(t, prepare.Containers, 2)
	assert.Equal(t, topology.Init, prepare.Containers[0].Role)
	main := prepare.Containers[1]
	assert.Equal(t, "registry.example/magick:1", main.Image, "unmodified")
	assert.Equal(t, []string{"/pattern/bin/worker"}, main.Command)
	assert.Empty(t, main.Args)
	assert.Empty(t, prepare.Grants, "workers may ask nothing of the engine")
	assert.Equal(t, `stages["prepare"]`, main.Origin)
	for _, m := range main.Mounts {
		assert.NotEqual(t, clientFolder, m.Path, "workers have no client token")
	}
	for _, s := range top.Secrets {
		assert.Empty(t, s.Values)
	}
}

func TestTheFilesAreWhatTheImagesTake(t *testing.T) {
	top := spec(t, `{}`).Topology(patternstest.Settings)
	var server queue.Config
	configFor(t, top, "queue-config", &server)
	require.NoError(t, server.Validate())
	assert.Equal(t, &queue.Scale{Instance: "thumbs", Groups: map[string]string{"prepare": "prepare"}}, server.Scale)
	assert.Equal(t, []string{"prepare", "frame"}, server.Order())
	for _, stage := range []string{"prepare", "frame"} {
		var c worker.Config
		configFor(t, top, stage+"-worker", &c)
		require.NoError(t, c.Validate())
		assert.Equal(t, stage, c.Stage)
	}
	var c worker.Config
	configFor(t, top, "prepare-worker", &c)
	assert.Equal(t, 2, c.Concurrency)
	assert.Equal(t, []string{"convert", "$(WORK_ITEM_FILE)", "$(WORK_OUTPUT_FILE)"}, c.Command)
}

func TestWhatIsOutsideHasAServiceOfItsOwn(t *testing.T) {
	top := spec(t, `{"queue": {"expose": {"reach": "node", "node_port": 30080}}}`).Topology(patternstest.Settings)
	services := group(t, top, "queue").Services
	require.Len(t, services, 2)
	assert.Equal(t, []string{"thumbs", "thumbs-node"}, []string{services[0].Name, services[1].Name})
	assert.Equal(t, "http", services[1].Ports[0].Name, "the address that is told")
	assert.Equal(t, 30080, services[1].Ports[0].NodePort)
	for _, v := range group(t, top, "frame").Volumes {
		for _, e := range v.Endpoints {
			_, _, _, found := top.Endpoint(e)
			assert.True(t, found, "workers find the server whatever its reach")
		}
	}
}

func TestServersThatShareAPostgres(t *testing.T) {
	top := spec(t, `{"store": {"postgres": {"url": {"secret": "storage", "key": "url"}, "servers": 3}}, "payloads": {"url": "s3://p"}}`).Topology(patternstest.Settings)
	g := group(t, top, "queue")
	assert.Equal(t, topology.Interchangeable, g.Identity)
	assert.Equal(t, 3, *g.Replicas)
	for _, v := range g.Volumes {
		assert.Nil(t, v.Persistent)
	}
	var server queue.Config
	configFor(t, top, "queue-config", &server)
	assert.Equal(t, "/pattern/database/url", server.Store.Postgres.URLFile)
}

func TestStagesDoNotShareTheirConfigurations(t *testing.T) {
	volume := `{"volumes": {"files": {"config": {"files": {"a": "1"}}}}, "mounts": {"files": {"path": "/files"}}}`
	top := spec(t, `{"stages": {"prepare": `+volume+`, "frame": `+strings.Replace(volume, `"1"`, `"2"`, 1)+`}}`).Topology(patternstest.Settings)
	files := map[string]string{}
	for _, c := range top.Configs {
		files[c.Name] = c.Files["a"]
	}
	assert.Equal(t, "1", files["prepare-files"])
	assert.Equal(t, "2", files["frame-files"])
	assert.ElementsMatch(t, []string{"queue-config", "prepare-worker", "frame-worker", "prepare-files", "frame-files"}, slices.Collect(maps.Keys(files)))
}

func TestChanges(t *testing.T) {
	for _, c := range []struct {
		name, from, to    string
		replaced, refused []string
	}{
		{"a command", `{}`, `{"stages": {"frame": {"command": ["other"]}}}`, nil, nil},
		{"a stage more", `{}`, `{"stages": {"crop": {"image": "a", "command": ["a"]}}}`, nil, nil},
		{"another name", `{}`, `{"name": "other"}`, []string{"name"}, nil},
		{"another kind of store", `{}`, `{"store": {"postgres": {"url": {"secret": "s", "key": "k"}}}}`, nil, []string{"store"}},
		{"a smaller store", `{}`, `{"store": {"embedded": {"size": "1Gi"}}}`, nil, []string{"store.embedded.size"}},
		{"a larger store", `{}`, `{"store": {"embedded": {"size": "20Gi"}}}`, nil, nil},
		{"a smaller store whose data may go", `{"store": {"embedded": {"size": "5Gi", "delete_with_instance": true}}}`, `{"store": {"embedded": {"size": "1Gi"}}}`, []string{"store.embedded.size"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			replaced, refused := spec(t, c.to).Changes(spec(t, c.from))
			var r, n []string
			for _, f := range replaced {
				r = append(r, f.Path)
			}
			for _, f := range refused {
				n = append(n, f.Path)
			}
			assert.Equal(t, c.replaced, r)
			assert.Equal(t, c.refused, n)
		})
	}
}

func TestProgressIsThatOfTheNewestReport(t *testing.T) {
	s := spec(t, `{"wait": true}`)
	assert.True(t, s.Awaited())
	assert.Nil(t, s.Progress([]string{"", "not JSON", `{"msg":"serving"}`, `{"msg":"progress"}`}))
	p := s.Progress([]string{
		`{"level":"INFO","msg":"progress","report":{"counts":{"a":{"done":1}},"outputs":1,"read":false,"drained":false}}`,
		`{"level":"INFO","msg":"progress","report":{"counts":{"a":{"done":7,"dead":7},"b":{"waiting":2,"in_flight":1}},"outputs":4,"read":true,"drained":true,"dead":["a x: exit code 1: bad picture"]}}`,
		`{"msg":"termination begins"}`,
	})
	require.NotNil(t, p)
	assert.True(t, p.Done)
	assert.Equal(t, "3 items left, 7 done, 7 dead letters, 4 outputs", p.Message)
	assert.Equal(t, []string{"a x: exit code 1: bad picture", "... and 6 more"}, p.Failures)
	assert.Equal(t, int64(2), p.Counts["b"]["waiting"])
}
