package nomad

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

func TestCheckNamesWhatNomadCannotDo(t *testing.T) {
	exec := &topology.Probe{Exec: []string{"true"}}
	for _, tc := range []struct {
		name  string
		spoil func(t *topology.Topology)
		path  string
		part  string
	}{
		{"an unknown extra", func(t *topology.Topology) { t.Groups[0].Extras = extras(`{"datacentre":["x"]}`) }, "nomad", "datacentre"},
		{"another driver", func(t *topology.Topology) { t.Groups[0].Extras = extras(`{"driver":"exec"}`) }, "nomad.driver", "exec"},
		{"a priority out of range", func(t *topology.Topology) { t.Groups[0].Extras = extras(`{"priority":101}`) }, "nomad.priority", "101"},
		{"an unknown operator", func(t *topology.Topology) {
			t.Groups[0].Extras = extras(`{"constraints":[{"attribute":"a"},{"attribute":"b","operator":"like"}]}`)
		}, "nomad.constraints[1].operator", "like"},
		{"a constraint on nothing", func(t *topology.Topology) { t.Groups[0].Extras = extras(`{"constraints":[{"value":"x"}]}`) }, "nomad.constraints[0].attribute", "empty"},
		{"an affinity without weight", func(t *topology.Topology) { t.Groups[0].Extras = extras(`{"affinities":[{"attribute":"a"}]}`) }, "nomad.affinities[0].weight", "0"},
		{"an exec probe", func(t *topology.Topology) { t.Groups[0].Containers[0].Probes.Liveness = exec }, "main.probes.liveness.exec", "http or tcp"},
		{"a hook after the start", func(t *topology.Topology) {
			t.Groups[0].Containers[0].Hooks.PostStart = &topology.Hook{Exec: []string{"x"}}
		}, "main.lifecycle_hooks.post_start", "start"},
		{"a hook before the stop", func(t *topology.Topology) {
			t.Groups[0].Containers[0].Hooks.PreStop = &topology.Hook{Exec: []string{"x"}}
		}, "main.lifecycle_hooks.pre_stop", "stop signal"},
		{"an image that must be there", func(t *topology.Topology) { t.Groups[0].Containers[0].PullPolicy = topology.PullNever }, "main.pull_policy", "if_not_present"},
		{"root that is not allowed", func(t *topology.Topology) { t.Groups[0].Containers[0].Security.User = new(int64(0)) }, "main.security.user", "root"},
		{"a group without a user", func(t *topology.Topology) { t.Groups[0].Containers[0].Security.Group = new(int64(5)) }, "main.security.group", "user"},
		{"pull secrets", func(t *topology.Topology) { t.PullSecrets = []string{"x"} }, "", "images.pull_secrets"},
		{"a load balancer", func(t *topology.Topology) {
			t.Groups[0].Services = []topology.Service{{Name: "web", Exposure: topology.ExposeLoadBalancer}}
		}, "expose", "load balancers"},
		{"two init containers", func(t *topology.Topology) {
			i := topology.Container{Role: topology.Init}
			t.Groups[0].Containers = append(t.Groups[0].Containers, i, i)
		}, "init", "2"},
		{"services and batch in one instance", func(t *topology.Topology) {
			g := t.Groups[0]
			g.Name, g.Identity = "other", topology.ToCompletion
			t.Groups = append(t.Groups, g)
		}, "", "that run to their end (other), one of the others (main)"},
		{"less parallel than the count", func(t *topology.Topology) {
			t.Groups[0].Identity, t.Groups[0].Completion = topology.ToCompletion, &topology.Completion{Count: 4, Parallelism: 2}
		}, "parallelism", "4"},
		{"too much reloading configuration", func(t *topology.Topology) {
			t.Configs = []topology.Config{{Name: "c", Reload: true, Files: map[string]string{"f": strings.Repeat("x", itemBytes)}}}
		}, "volumes", "KiB"},
		{"a reloading volume that is too large", func(t *topology.Topology) {
			t.Configs = []topology.Config{
				{Name: "still", Files: map[string]string{"f": strings.Repeat("x", 3*itemBytes)}},
				{Name: "large", Reload: true, Files: map[string]string{"f": strings.Repeat("x", itemBytes)}},
				{Name: "small", Reload: true, Files: map[string]string{"f": "x"}},
			}
			t.Groups[0].Volumes = []topology.Volume{{Name: "a", Config: "still"}, {Name: "b", Config: "large"}, {Name: "c", Config: "small"}}
		}, `volumes["b"].config.reload`, "KiB"},
		{"a volume for many nodes", func(t *topology.Topology) {
			t.Groups[0].Volumes = []topology.Volume{
				{Name: "theirs", Persistent: &topology.PersistentVolume{Existing: "nfs", Shared: true}},
				{Name: "ours", Persistent: &topology.PersistentVolume{Shared: true}},
			}
		}, `volumes["ours"].persistent.shared`, "persistent.existing"},
		{"volumes of replicas that are yet to come", func(t *topology.Topology) {
			*t = *stable()
			t.Groups[0].Replicas = nil
		}, `volumes["data"].persistent`, "autoscaler"},
		{"an endpoint that nobody serves", func(t *topology.Topology) {
			t.Groups[0].Volumes = []topology.Volume{{Name: "peers", Endpoints: []topology.EndpointFile{{File: "db", Service: "db", Port: "sql"}}}}
		}, `volumes["peers"].endpoints["db"]`, `"sql"`},
		{"a third shared volume", func(t *topology.Topology) {
			g := &t.Groups[0]
			g.Containers = append(g.Containers, topology.Container{Name: "side", Role: topology.Companion, Image: "x"})
			for _, v := range []string{"a", "b", "c"} {
				g.Volumes = append(g.Volumes, topology.Volume{Name: v, Ephemeral: &topology.EphemeralVolume{}})
				for i := range g.Containers {
					g.Containers[i].Mounts = append(g.Containers[i].Mounts, topology.Mount{Volume: v, Path: "/" + v})
				}
			}
		}, `volumes["c"]`, "folders"},
		{"a folder inside a volume", func(t *topology.Topology) {
			g := &t.Groups[0]
			g.Volumes = []topology.Volume{{Name: "a", Ephemeral: &topology.EphemeralVolume{}}}
			g.Containers[0].Mounts = []topology.Mount{{Volume: "a", Path: "/a", SubPath: "b"}}
		}, `main.mounts["a"].sub_path`, "whole volume"},
		{"the files of a variable of others", func(t *topology.Topology) {
			t.Groups[0].Volumes = []topology.Volume{{Name: "a", Secret: &topology.SecretVolume{Name: "theirs"}}}
		}, `volumes["a"].secret`, "theirs"},
		{"the files of a secret whose keys are not known", func(t *topology.Topology) {
			t.Secrets = []topology.Secret{{Name: "mine"}}
			t.Groups[0].Volumes = []topology.Volume{{Name: "a", Secret: &topology.SecretVolume{Name: "mine", Own: true}}}
		}, `volumes["a"].secret`, "mine"},
		{"a path that no variable has", func(t *topology.Topology) {
			t.Groups[0].Containers[0].Env = []topology.Env{{Name: "A", Secret: &topology.SecretKey{Name: "my.secret", Key: "k"}}}
		}, `main.secret_env["A"]`, "my.secret"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			top := minimal()
			tc.spoil(top)
			faults := New(Config{}).Check(top)
			require.Len(t, faults, 1)
			assert.Equal(t, tc.path, faults[0].Path)
			assert.Contains(t, faults[0].Message, tc.part)
			_, err := Translate(top, Options{})
			assert.ErrorContains(t, err, tc.part, "what has faults is not translated")
		})
	}
	for name, good := range map[string]func() *topology.Topology{"minimal": minimal, "full": full, "init": withInit, "stable": stable, "batch": batch, "loosened": loosened, "workers": workers} {
		assert.Empty(t, New(Config{}).Check(good()), name)
	}
}

func TestAContainerIsNamedByItsOrigin(t *testing.T) {
	top := full()
	top.Groups[0].Containers[0].PullPolicy = topology.PullNever
	faults := check(top)
	require.Len(t, faults, 1)
	assert.Equal(t, `sidecars["logs"].log_saver.pull_policy`, faults[0].Path)
	top.Groups[0].Containers[0].Origin = ""
	assert.Equal(t, `containers["logs"].pull_policy`, check(top)[0].Path)
}

func TestGroupsOfAnInstanceAgreeOnTheirJob(t *testing.T) {
	top := minimal()
	other := top.Groups[0]
	other.Name, other.Extras = "other", extras(`{"datacenters":["b"],"node_pool":"y"}`)
	top.Groups[0].Extras = extras(`{"datacenters":["a"],"node_pool":"x"}`)
	top.Groups = append(top.Groups, other)
	var paths []string
	for _, f := range check(top) {
		paths = append(paths, f.Path)
	}
	assert.Equal(t, []string{"nomad.datacenters", "nomad.node_pool"}, paths)
}
