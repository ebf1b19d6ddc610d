package nomad

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

func TestVolumesFindTheirFolders(t *testing.T) {
	const mi = 1 << 20
	type volume struct {
		name   string
		size   int64
		memory bool
		users  string // one letter for each container
	}
	for _, tc := range []struct {
		name    string
		volumes []volume
		want    slots
	}{
		{"two are shared", []volume{{"a", 0, false, "xy"}, {"b", 0, false, "xyz"}}, slots{"a": "../alloc/data", "b": "../alloc/tmp"}},
		{"a third shared one has no room", []volume{{"a", 0, false, "xy"}, {"b", 0, false, "xy"}, {"c", mi, false, "xy"}}, slots{"a": "../alloc/data", "b": "../alloc/tmp"}},
		{"each container has one of its own", []volume{{"a", 0, false, "x"}, {"b", 0, false, "y"}}, slots{"a": "tmp", "b": "tmp"}},
		{"what is left of the group's is used", []volume{{"a", mi, false, "x"}, {"b", 2 * mi, false, "x"}, {"c", 3 * mi, false, "x"}}, slots{"c": "tmp", "b": "../alloc/data", "a": "../alloc/tmp"}},
		{"small ones go into memory", []volume{{"a", 0, false, "xy"}, {"b", 0, false, "xy"}, {"c", mi, false, "x"}, {"d", 500 * mi, false, "x"}}, slots{"a": "../alloc/data", "b": "../alloc/tmp", "d": "tmp", "c": "tmpfs"}},
		{"large ones do not", []volume{{"a", 0, false, "xy"}, {"b", 0, false, "xy"}, {"c", 100 * mi, false, "x"}, {"d", 0, false, "x"}}, slots{"a": "../alloc/data", "b": "../alloc/tmp", "d": "tmp"}},
		{"memory is memory", []volume{{"a", 0, true, "x"}, {"b", 900 * mi, true, "x"}}, slots{"a": "tmpfs", "b": "tmpfs"}},
		{"shared memory is on disk", []volume{{"a", mi, true, "xy"}}, slots{"a": "../alloc/data"}},
		{"what nobody mounts takes no room", []volume{{"a", 0, false, ""}, {"b", 0, false, "xy"}, {"c", 0, false, "xy"}}, slots{"b": "../alloc/data", "c": "../alloc/tmp"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := &topology.Group{Containers: []topology.Container{{Name: "x"}, {Name: "y"}, {Name: "z"}}}
			for _, v := range tc.volumes {
				g.Volumes = append(g.Volumes, topology.Volume{Name: v.name, Ephemeral: &topology.EphemeralVolume{SizeBytes: v.size, Memory: v.memory}})
				for i := range g.Containers {
					for _, u := range v.users {
						if g.Containers[i].Name == string(u) {
							g.Containers[i].Mounts = append(g.Containers[i].Mounts, topology.Mount{Volume: v.name, Path: "/" + v.name})
						}
					}
				}
			}
			assert.Equal(t, tc.want, slotsOf(g))
		})
	}
}
