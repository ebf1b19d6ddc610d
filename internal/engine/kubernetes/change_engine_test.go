//go:build engine

package kubernetes

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

func TestEngineSeesDriftAndWhoWroteIt(t *testing.T) {
	s := newStage(t)
	web := s.demo(1)
	web.Configs = []topology.Config{{Name: "settings", Files: map[string]string{"a.txt": "one"}, Reload: true}}
	s.up(web)
	require.Empty(t, s.observe(web).Drift)

	s.kubectl("annotate", "deployment", "web", "example.com/theirs=1")
	s.kubectl("set", "env", "deployment/web", "EXTRA=1")
	assert.Empty(t, s.observe(web).Drift, "what others add is not ours")

	s.kubectl("scale", "deployment", "web", "--replicas=2")
	s.kubectl("set", "image", "deployment/web", "web="+s.image+"-other", "--field-manager=intruder")
	s.kubectl("patch", "configmap", "web-settings", "-p", `{"data":{"a.txt":"two"}}`, "--field-manager=editor")
	s.kubectl("delete", "service", "web")
	var lines []string
	for _, d := range s.observe(web).Drift {
		lines = append(lines, d.String())
	}
	assert.Equal(t, []string{
		`ConfigMap ` + s.namespace + `/web-settings .data["a.txt"]: want ` + engine.Digest("one") + `, have ` + engine.Digest("two") + ` (written by editor)`,
		`Deployment ` + s.namespace + `/web .spec.replicas: want 1, have 2 (written by kubectl)`,
		`Deployment ` + s.namespace + `/web .spec.template.spec.containers[name="web"].image: want "` + s.image + `", have "` + s.image + `-other" (written by intruder)`,
		`Service ` + s.namespace + `/web : want present, have is missing`,
	}, lines)

	err := s.engine.Apply(s.ctx, web, engine.ApplyOptions{})
	var conflict *engine.ConflictError
	require.ErrorAs(t, err, &conflict)
	require.NoError(t, s.engine.Apply(s.ctx, web, engine.ApplyOptions{Force: true}))
	require.NoError(t, s.wait(web, time.Minute))
	assert.Empty(t, s.observe(web).Drift)
}

func TestEngineNamesTheManagerAndTheFieldOfAConflict(t *testing.T) {
	s := newStage(t)
	web := s.demo(1)
	s.up(web)
	out, err := s.tryKubectl(`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web"},"spec":{"replicas":3}}`,
		"apply", "--server-side", "--field-manager=other", "--force-conflicts", "-f", "-")
	require.NoError(t, err, out)
	err = s.engine.Apply(s.ctx, web, engine.ApplyOptions{})
	var conflict *engine.ConflictError
	require.ErrorAs(t, err, &conflict)
	assert.Equal(t, map[string][]string{"other": {".spec.replicas"}}, conflict.Fields)
	assert.Equal(t, "Deployment "+s.namespace+"/web", conflict.Object)
}

func TestEngineLeavesReplicasToAnAutoscaler(t *testing.T) {
	s := newStage(t)
	web := s.demo(3)
	s.up(web)
	web.Groups[0].Replicas = nil
	require.NoError(t, s.engine.Apply(s.ctx, web, engine.ApplyOptions{}))
	assert.Equal(t, "3", s.kubectl("get", "deployment", "web", "-o", "jsonpath={.spec.replicas}"), "giving the field up does not reset it")
	s.kubectl("scale", "deployment", "web", "--replicas=2")
	require.NoError(t, s.engine.Apply(s.ctx, web, engine.ApplyOptions{}))
	require.NoError(t, s.wait(web, time.Minute))
	seen := s.observe(web)
	assert.Empty(t, seen.Drift)
	assert.Equal(t, engine.GroupStatus{Desired: 2, Ready: 2, Updated: 2}, seen.Groups["main"])

	web.Groups[0].Replicas = new(1)
	require.NoError(t, s.engine.Apply(s.ctx, web, engine.ApplyOptions{}))
	require.NoError(t, s.wait(web, time.Minute))
	assert.Equal(t, 1, s.observe(web).Groups["main"].Desired, "the number is ours again")
}

func TestEngineRollsBackByApplyingTheFormerTopology(t *testing.T) {
	for _, id := range []topology.Identity{topology.Interchangeable, topology.Stable} {
		t.Run(string(id), func(t *testing.T) {
			s := newStage(t)
			web := s.demo(2)
			web.Groups[0].Identity = id
			web.Configs = []topology.Config{{Name: "settings", Files: map[string]string{"a.txt": "one"}}}
			web.Groups[0].Volumes = []topology.Volume{{Name: "settings", Config: "settings"}}
			s.up(web)

			bad := s.demo(2)
			bad.Groups[0].Identity = id
			bad.Configs = []topology.Config{{Name: "settings", Files: map[string]string{"a.txt": "two"}}}
			bad.Groups[0].Volumes = web.Groups[0].Volumes
			bad.Groups[0].Containers[0].Args = []string{"nonsense"}
			not := s.notReady(bad)
			assert.Equal(t, "CrashLoopBackOff", not.Reason)
			assert.NotNil(t, s.live("v1", "ConfigMap", configName(web, "settings")), "the old replicas still mount it")

			require.NoError(t, s.engine.Apply(s.ctx, web, engine.ApplyOptions{}))
			require.NoError(t, s.wait(web, time.Minute))
			assert.Equal(t, "ready", s.observe(web).Phase)
			assert.Nil(t, s.live("v1", "ConfigMap", configName(bad, "settings")), "nobody mounts it any more")
			assert.NotNil(t, s.live("v1", "ConfigMap", configName(web, "settings")))
		})
	}
}

func TestEngineTakesUpWhatWasInterrupted(t *testing.T) {
	s := newStage(t)
	var web *topology.Topology
	for n := 1; ; n++ { // the connection breaks after each number of requests in turn
		web = s.demo(1)
		web.Name = fmt.Sprintf("web-%d", n)
		web.Groups[0].Services[0].Name = web.Name
		web.Configs = []topology.Config{{Name: "settings", Files: map[string]string{"a.txt": "one"}}}
		broken := s.newEngine(&counter{})
		var left atomic.Int64
		left.Store(int64(n))
		broken.config.WrapTransport = func(next http.RoundTripper) http.RoundTripper {
			return tripper(func(r *http.Request) (*http.Response, error) {
				if left.Add(-1) < 0 {
					return nil, assert.AnError
				}
				return next.RoundTrip(r)
			})
		}
		if broken.Apply(s.ctx, web, engine.ApplyOptions{Create: true}) == nil {
			require.GreaterOrEqual(t, n, 6)
			break
		}
		web.Spec = []byte(`{"name":"the user has changed it in between"}`)
		web.Configs[0].Files["a.txt"] = "two"
		require.NoError(t, s.newEngine(&counter{}).Apply(s.ctx, web, engine.ApplyOptions{Create: true}), "after %d requests", n)
		require.NoError(t, s.wait(web, time.Minute))
		seen := s.observe(web)
		assert.Empty(t, seen.Drift)
		assert.Len(t, seen.Objects, 4, "nothing is left of the first attempt")
	}
	require.NoError(t, s.wait(web, time.Minute))

	t.Run("a complete instance with the same spec is adopted", func(t *testing.T) {
		require.NoError(t, s.engine.Apply(s.ctx, web, engine.ApplyOptions{Create: true}))
	})
	t.Run("a complete instance with another spec is not", func(t *testing.T) {
		other := s.demo(1)
		other.Name, other.Spec = web.Name, []byte(`{"name":"other"}`)
		var exists *engine.ExistsError
		require.ErrorAs(t, s.engine.Apply(s.ctx, other, engine.ApplyOptions{Create: true}), &exists)
	})
}

func TestEngineTakesNothingThatIsSomebodyElses(t *testing.T) {
	s := newStage(t)
	web := s.demo(1)
	s.kubectl("create", "deployment", "web", "--image="+s.image)
	var exists *engine.ExistsError
	require.ErrorAs(t, s.engine.Apply(s.ctx, web, engine.ApplyOptions{Create: true}), &exists)
	assert.Equal(t, "Deployment "+s.namespace+"/web, written by kubectl-create", exists.Owner)
	assert.Nil(t, s.live("v1", "ConfigMap", "web.sidecar"), "nothing was written")
	s.kubectl("delete", "deployment", "web")

	s.kubectl("create", "configmap", "web.sidecar")
	require.ErrorAs(t, s.engine.Apply(s.ctx, web, engine.ApplyOptions{Create: true}), &exists)
	_, err := s.engine.Lookup(s.ctx, web.Key())
	require.ErrorIs(t, err, engine.ErrNotFound)
	require.ErrorAs(t, s.engine.Delete(s.ctx, web.Key()), &exists)
	s.kubectl("delete", "configmap", "web.sidecar")

	s.up(web)
	other := s.demo(1)
	other.Pattern = "ambassador"
	require.ErrorAs(t, s.engine.Apply(s.ctx, other, engine.ApplyOptions{Create: true}), &exists)
	assert.Contains(t, exists.Owner, `of the pattern_sidecar "web"`)
}

func TestEnginePrunesWhatIsNoLongerWanted(t *testing.T) {
	s := newStage(t)
	web := s.demo(1)
	second := s.demo(1).Groups[0]
	second.Name = "second"
	second.Services[0].Name = "web-second"
	second.Grants = []topology.Grant{{Verb: topology.GrantObserve}}
	web.Groups = append(web.Groups, second)
	web.Configs = []topology.Config{{Name: "a", Files: map[string]string{"a": "1"}}}
	s.up(web)
	all := "configmaps,deployments,services,serviceaccounts,roles,rolebindings"
	assert.Len(t, strings.Fields(s.kubectl("get", all, "-l", instanceSelector(web.Key()), "-o", "name")), 9)

	less := s.demo(1)
	less.Configs = []topology.Config{{Name: "a", Files: map[string]string{"a": "2"}}}
	require.NoError(t, s.engine.Apply(s.ctx, less, engine.ApplyOptions{}))
	require.NoError(t, s.wait(less, time.Minute))
	left := strings.Fields(s.kubectl("get", all, "-l", instanceSelector(web.Key()), "-o", "name"))
	slices.Sort(left)
	assert.Equal(t, []string{"configmap/" + configName(less, "a"), "configmap/web.sidecar", "deployment.apps/web", "service/web"}, left)
	assert.Equal(t, []string{"apps/v1/Deployment/web", "v1/ConfigMap/" + configName(less, "a"), "v1/Service/web"}, inventory(s.live("v1", "ConfigMap", "web.sidecar")))
}

func TestEngineReloadsAConfigurationWithoutARestart(t *testing.T) {
	s := newStage(t)
	web := s.demo(1)
	web.Configs = []topology.Config{{Name: "settings", Files: map[string]string{"a.txt": "one"}, Reload: true}}
	g := &web.Groups[0]
	g.Volumes = []topology.Volume{{Name: "settings", Config: "settings"}}
	g.Containers[0].Mounts = []topology.Mount{{Volume: "settings", Path: "/etc/settings", ReadOnly: true}}
	s.up(web)
	pod := s.kubectl("get", "pods", "-o", "name")
	read := func() string {
		out, _ := s.tryKubectl("", "exec", "deployment/web", "--", "/demo", "cat", "/etc/settings/a.txt")
		return strings.TrimSpace(out)
	}
	// A kubelet looks again soon after a start, and then once a minute: let it be past that.
	quiet := time.Now().Add(15 * time.Second)
	require.Eventually(t, func() bool { return read() == "one" && time.Now().After(quiet) }, time.Minute, time.Second)
	web.Configs[0].Files = map[string]string{"a.txt": "two"}
	begun := time.Now()
	require.NoError(t, s.engine.Apply(s.ctx, web, engine.ApplyOptions{}))
	require.NoError(t, s.wait(web, time.Minute))
	require.Eventually(t, func() bool { return read() == "two" }, 3*time.Minute, time.Second/4)
	t.Logf("reloaded after %s", time.Since(begun).Round(time.Second/10))
	assert.Less(t, time.Since(begun), 30*time.Second)
	assert.Equal(t, pod, s.kubectl("get", "pods", "-o", "name"))
	assert.Empty(t, s.observe(web).Drift)
}

func TestEngineChangesTheVolumesOfReplicasWithAnIdentity(t *testing.T) {
	s := newStage(t)
	db := s.demo(2)
	g := &db.Groups[0]
	g.Identity = topology.Stable
	g.Volumes = []topology.Volume{{Name: "data", Persistent: &topology.PersistentVolume{SizeBytes: 1 << 20}}}
	g.Containers[0].Mounts = []topology.Mount{{Volume: "data", Path: "/data"}}
	s.up(db)
	s.kubectl("exec", "web-1", "--", "/demo", "write", "/data/x", "kept")

	g.Volumes = append(g.Volumes, topology.Volume{Name: "more", Persistent: &topology.PersistentVolume{SizeBytes: 1 << 20, DeleteWithInstance: true}})
	g.Containers[0].Mounts = append(g.Containers[0].Mounts, topology.Mount{Volume: "more", Path: "/more"})
	require.NoError(t, s.engine.Apply(s.ctx, db, engine.ApplyOptions{}))
	require.NoError(t, s.wait(db, time.Minute))
	assert.Empty(t, s.observe(db).Drift)
	assert.Equal(t, "kept", s.kubectl("exec", "web-1", "--", "/demo", "cat", "/data/x"))

	g.Volumes[1].Persistent.DeleteWithInstance = false
	g.Volumes[0].Persistent.DeleteWithInstance = true
	before := s.kubectl("get", "pods", "-o", "jsonpath={.items[*].metadata.uid}")
	require.NoError(t, s.engine.Apply(s.ctx, db, engine.ApplyOptions{}))
	require.NoError(t, s.wait(db, time.Minute))
	assert.Equal(t, before, s.kubectl("get", "pods", "-o", "jsonpath={.items[*].metadata.uid}"), "what becomes of the data later is no reason to restart")
	require.NoError(t, s.engine.Delete(s.within(time.Minute), db.Key()))
	assert.Equal(t, []string{"persistentvolumeclaim/more-web-0", "persistentvolumeclaim/more-web-1"}, strings.Fields(s.kubectl("get", "persistentvolumeclaims", "-o", "name")))
}

func TestEngineSaysThatANamespaceIsMissing(t *testing.T) {
	s := newStage(t)
	web := s.demo(1)
	web.Namespace = s.namespace + "-not"
	var rejected *engine.RejectedError
	require.ErrorAs(t, s.engine.Apply(s.ctx, web, engine.ApplyOptions{Create: true}), &rejected)
	assert.Contains(t, rejected.Reason, "kubectl create namespace "+web.Namespace)
}

func TestEngineSaysWhatTheClusterRefuses(t *testing.T) {
	s := newStage(t)
	web := s.demo(1)
	web.Groups[0].Containers[0].Ports[0].Name = "Not A Port"
	var rejected *engine.RejectedError
	require.ErrorAs(t, s.engine.Apply(s.ctx, web, engine.ApplyOptions{Create: true}), &rejected)
	assert.Equal(t, "Deployment "+s.namespace+"/web", rejected.Object)
	assert.Contains(t, rejected.Reason, "ports[0].name")
}
