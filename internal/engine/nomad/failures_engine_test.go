//go:build engine

package nomad

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

func TestAWaitFailsEarlyAndSaysWhy(t *testing.T) {
	for _, tc := range []struct {
		name      string
		spoil     func(r *rig, t *topology.Topology)
		reason    string
		container string
		message   string // part of it
		log       string // one of the lines
	}{
		{
			name: "an image that is not there", reason: "ImagePullBackOff", container: "main", message: "not-there",
			spoil: func(_ *rig, t *topology.Topology) {
				t.Groups[0].Containers[0].Image = os.Getenv("REGISTRY") + "/not-there:1"
			},
		},
		{
			name: "a companion that crashes", reason: "CrashLoopBackOff", container: "logs", message: "Exit Code: 7", log: "prog: the database refuses the password",
			spoil: func(r *rig, t *topology.Topology) {
				c := r.companion("logs")
				c.Args = []string{"fail", "7"}
				t.Groups[0].Containers = []topology.Container{c, t.Groups[0].Containers[0]}
			},
		},
		{
			name: "a program that is not in the image", reason: "CreateContainerError", container: "main", message: "not-there",
			spoil: func(_ *rig, t *topology.Topology) { t.Groups[0].Containers[0].Command = []string{"/not-there"} },
		},
		{
			name: "more memory than its limit", reason: "OOMKilled", container: "main",
			spoil: func(_ *rig, t *topology.Topology) {
				c := &t.Groups[0].Containers[0]
				c.Args = []string{"hog"}
				c.Resources.Limits.MemoryBytes = 32 << 20
			},
		},
		{
			name: "more memory than any node has", reason: "Unschedulable", message: "memory",
			spoil: func(_ *rig, t *topology.Topology) {
				t.Groups[0].Containers[0].Resources.Requests.MemoryBytes = 1 << 42
			},
		},
		{
			name: "a constraint that no node fulfils", reason: "Unschedulable", message: "${attr.cpu.arch} = vax",
			spoil: func(_ *rig, t *topology.Topology) {
				t.Groups[0].Extras = extras(`{"constraints":[{"attribute":"${attr.cpu.arch}","value":"vax"}]}`)
			},
		},
		{
			name: "no such datacenter", reason: "Unschedulable", message: "datacenters",
			spoil: func(_ *rig, t *topology.Topology) { t.Groups[0].Extras = extras(`{"datacenters":["atlantis"]}`) },
		},
		{
			name: "a host volume that is not there", reason: "Unschedulable", message: "host volume",
			spoil: func(_ *rig, t *topology.Topology) {
				g := &t.Groups[0]
				g.Volumes = []topology.Volume{{Name: "d", Persistent: &topology.PersistentVolume{Existing: "not-there"}}}
				g.Containers[0].Mounts = []topology.Mount{{Volume: "d", Path: "/d"}}
			},
		},
		{
			name: "a variable that is not there", reason: "CreateContainerConfigError", container: "main", message: "not/there",
			spoil: func(_ *rig, t *topology.Topology) {
				c := &t.Groups[0].Containers[0]
				c.Env = append(c.Env, topology.Env{Name: "X", Secret: &topology.SecretKey{Name: "not/there", Key: "k"}})
			},
		},
		{
			name: "a probe that never succeeds", reason: "ProgressDeadlineExceeded", container: "main", message: "404",
			spoil: func(_ *rig, t *topology.Topology) {
				t.Groups[0].Containers[0].Probes.Readiness.HTTP.Path = "/file?path=/not-there"
				t.Groups[0].Update.ProgressSeconds = 15
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			top := r.serving()
			tc.spoil(r, top)
			require.NoError(t, r.engine.Apply(within(t, 30), top, engine.ApplyOptions{Create: true}))
			err := r.engine.Wait(within(t, 180), top, func(s string) { t.Log(s) })
			t.Log(err)
			var not *engine.NotReadyError
			require.True(t, errors.As(err, &not), "%v", err)
			assert.Equal(t, tc.reason, not.Reason)
			assert.Equal(t, "main", not.Group)
			assert.Equal(t, tc.container, not.Container)
			assert.Contains(t, not.Message, tc.message)
			if tc.container != "" {
				assert.NotEmpty(t, not.Events)
			}
			if tc.log != "" {
				assert.Contains(t, strings.Join(not.Log, "\n"), tc.log)
			}
			record, err := r.engine.Lookup(within(t, 10), top.Key())
			require.NoError(t, err)
			assert.False(t, record.Complete, "it never was ready")
		})
	}
}

func TestWhatHasFailedIsTriedAgainOnceItIsMendedOutside(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	top := r.serving()
	g := &top.Groups[0]
	g.Volumes = []topology.Volume{{Name: "data", Persistent: &topology.PersistentVolume{Existing: "data"}}}
	c := &g.Containers[0]
	c.Mounts = []topology.Mount{{Volume: "data", Path: "/data"}}
	mended := "/data/" + top.Name
	c.Probes.Readiness.HTTP.Path = "/file?path=" + mended
	g.Update.ProgressSeconds = 12
	require.NoError(t, r.engine.Apply(within(t, 30), top, engine.ApplyOptions{Create: true}))
	var not *engine.NotReadyError
	require.True(t, errors.As(r.engine.Wait(within(t, 60), top, nil), &not))
	require.Equal(t, "ProgressDeadlineExceeded", not.Reason)

	require.NoError(t, r.engine.Apply(within(t, 30), top, engine.ApplyOptions{Create: true}))
	require.True(t, errors.As(r.engine.Wait(within(t, 60), top, nil), &not), "it is not mended yet")

	require.NoError(t, r.engine.Apply(within(t, 30), top, engine.ApplyOptions{Create: true}))
	r.eventually(30, func() bool {
		for _, a := range r.allocs(top) {
			info, _, err := r.client.Allocations().Info(a.ID, nil)
			if err != nil || info.AllocatedResources == nil {
				continue
			}
			for _, p := range info.AllocatedResources.Shared.Ports {
				if _, err := r.get(address0(p.HostIP, p.Value), "/write", values("path", mended, "text", "x")); err == nil {
					return true
				}
			}
		}
		return false
	}, "mended")
	require.NoError(t, r.engine.Wait(within(t, 60), top, func(s string) { t.Log(s) }))
	assert.Empty(t, r.observe(top).Drift)
	before := r.allocs(top)[0]
	require.NoError(t, r.engine.Apply(within(t, 30), top, engine.ApplyOptions{}))
	require.NoError(t, r.engine.Wait(within(t, 60), top, nil))
	after := r.allocs(top)[0]
	assert.Equal(t, before.ID, after.ID)
	assert.Equal(t, before.JobVersion, after.JobVersion, "what has succeeded is left alone")
}
