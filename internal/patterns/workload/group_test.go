package workload

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

func decode(t *testing.T, text string) *Workload {
	t.Helper()
	w := &Workload{}
	require.NoError(t, json.Unmarshal([]byte(text), w))
	return w
}

func TestServicesAreOneForEachReach(t *testing.T) {
	w := decode(t, `{
		"main": {"ports": {"http": {"port": 8080}, "admin": {"port": 9090}}},
		"expose": {
			"admin": {"reach": "node", "node_port": 30090},
			"http": {"port": 80},
			"web": {"target": "http", "reach": "load_balancer", "annotations": {"a": "b"}}
		}
	}`)
	assert.Equal(t, []topology.Service{
		{Name: "shop", Exposure: topology.ExposeCluster, Ports: []topology.ServicePort{{Name: "http", Port: 80, Target: "http"}}},
		{Name: "shop-node", Exposure: topology.ExposeNode, Ports: []topology.ServicePort{{Name: "admin", Port: 9090, Target: "admin", NodePort: 30090}}},
		{Name: "shop-lb", Exposure: topology.ExposeLoadBalancer, Ports: []topology.ServicePort{{Name: "web", Port: 8080, Target: "http"}}, Annotations: map[string]string{"a": "b"}},
	}, w.services("shop"))
}

func TestEnding(t *testing.T) {
	for _, c := range []struct {
		name, workload string
		want           topology.Termination
	}{
		{"nobody comes, so nothing drains", `{}`, topology.Termination{GraceSeconds: 30}},
		{"who is exposed drains", `{"expose": {"http": {}}}`, topology.Termination{GraceSeconds: 30, DrainSeconds: 3}},
		{"what is written holds", `{"expose": {"http": {}}, "termination": {"grace": "90s", "drain": "10s"}}`, topology.Termination{GraceSeconds: 90, DrainSeconds: 10}},
		{"nought is written, too", `{"expose": {"http": {}}, "termination": {"grace": "0s", "drain": "0s"}}`, topology.Termination{}},
		{"parts of a second count whole", `{"termination": {"grace": "1500ms"}}`, topology.Termination{GraceSeconds: 2}},
	} {
		t.Run(c.name, func(t *testing.T) { assert.Equal(t, c.want, decode(t, c.workload).Ending()) })
	}
}

func TestVolumeAtFindsTheInnermostMount(t *testing.T) {
	c := Container{Mounts: map[string]Mount{"a": {Path: "/var/log"}, "b": {Path: "/var/log/nginx/"}, "c": {Path: "/var/lo"}}}
	for file, want := range map[string]string{
		"/var/log/syslog":           "a",
		"/var/log/nginx/access.log": "b",
		"/var/log/nginx.log":        "a",
		"/var/log":                  "",
		"/tmp/x":                    "",
	} {
		volume, _ := c.VolumeAt(file)
		assert.Equal(t, want, volume, file)
	}
}

func TestTopologyOrdersContainersAsTheyStart(t *testing.T) {
	w := decode(t, `{"main": {"image": "m"}, "init": [{"name": "b", "image": "b"}, {"name": "a", "image": "a"}], "secrets": {"own": {"generate": {"k": 32}}},
		"volumes": {"s": {"secret": {"secret": "own"}}, "o": {"secret": {"secret": "other"}}, "c": {"config": {"files": {"f": "x"}, "reload": true}}}}`)
	top := w.Topology("sidecar", Instance{Name: "i"}, []topology.Container{{Name: "side", Role: topology.Companion}}, nil, nil)
	var order []string
	for _, c := range top.Groups[0].Containers {
		order = append(order, c.Name)
	}
	assert.Equal(t, []string{"b", "a", "side", "main"}, order)
	assert.Equal(t, []topology.Config{{Name: "c", Files: map[string]string{"f": "x"}, Reload: true}}, top.Configs)
	assert.Equal(t, &topology.SecretVolume{Name: "other"}, top.Groups[0].Volumes[1].Secret)
	assert.Equal(t, &topology.SecretVolume{Name: "own", Own: true}, top.Groups[0].Volumes[2].Secret)
}
