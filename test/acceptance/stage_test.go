//go:build acceptance

package acceptance

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A stage is a namespace of one engine, with a workspace whose provider reaches it through a proxy.
type stage struct {
	*workspace
	cluster
	proxy     *proxy
	namespace string
}

// A cluster is an engine as its operator sees it, behind the provider's back.
type cluster interface {
	// name of the engine.
	name() string
	// signIn is the engine's part of the provider's configuration, by way of a proxy.
	signIn(p *proxy) object
	// scale as an autoscaler does.
	scale(t *testing.T, instance string, replicas int)
	// disturb the variable COLOUR of the main container, as a colleague does by hand.
	disturb(t *testing.T, instance string)
	// vanish: all of the instance is deleted by hand.
	vanish(t *testing.T, instance string)
	// left is everything that is labelled as the instance's, or lies in its namespace.
	left(t *testing.T, instance string) []string
	// replicas that run, with the addresses of their main containers' port.
	replicas(t *testing.T, instance string) []replica
	// holds tells whether a secret of the namespace has this value.
	holds(t *testing.T, value string) bool
	// secret is the token that an instance has made for itself.
	secret(t *testing.T, instance, name string) string
	// data are the names of the volumes of the namespace that outlive replicas.
	data(t *testing.T) []string
	// serving are the addresses at which clients find the exposed port "http" now.
	serving(t *testing.T, instance string) []string
	// settled tells whether no deployment of the instance is under way.
	settled(t *testing.T, instance string) bool
	// pids of the processes of one container.
	pids(t *testing.T, r replica, container string) []int
}

// A replica is one running copy of a group.
type replica struct {
	ID      string
	Group   string
	Address string // HOST:PORT of the main container's port "http"
	Ready   bool
	// Restarts by container.
	Restarts map[string]int
	// Images by container, as they were asked for.
	Images map[string]string
	// ids of the containers in the runtime.
	ids map[string]string
}

// on runs a test body on each engine, with Terraform.
func on(t *testing.T, body func(s *stage)) {
	t.Helper()
	onTool(t, "terraform", body)
}

// onBoth runs a test body on each engine, with Terraform and with OpenTofu.
func onBoth(t *testing.T, body func(s *stage)) {
	t.Helper()
	t.Parallel()
	for _, tool := range []string{"terraform", "tofu"} {
		t.Run(tool, func(t *testing.T) { onTool(t, tool, body) })
	}
}

// onTool runs a test body on each engine, with terraform or tofu.
func onTool(t *testing.T, tool string, body func(s *stage)) {
	t.Helper()
	t.Parallel()
	if toolsByName[tool] == "" {
		t.Skip("TEST_TOFU is not set: make acceptance compiles OpenTofu and sets it")
	}
	for _, e := range engines {
		t.Run(e, func(t *testing.T) {
			t.Parallel()
			body(newStage(t, e, tool))
		})
	}
}

func newStage(t *testing.T, engine, tool string) *stage {
	t.Helper()
	raw := make([]byte, 4)
	_, _ = rand.Read(raw)
	s := &stage{workspace: newWorkspace(t, tool), namespace: "acceptance-" + hex.EncodeToString(raw)}
	switch engine {
	case "kubernetes":
		s.cluster, s.proxy = newKubernetes(t, s.namespace)
	case "nomad":
		s.cluster, s.proxy = newNomad(t, s.namespace)
	}
	return s
}

// provider is its configuration: the engine, through the proxy.
func (s *stage) provider() object {
	return object{s.name(): s.signIn(s.proxy)}
}

// providerOfThisRun has the framework images as this run has built them.
func (s *stage) providerOfThisRun() object {
	p := s.provider()
	p["images"] = object{"repository": must(s.T, "PATTERN_IMAGES_REPOSITORY"), "tag": must(s.T, "PATTERN_IMAGES_TAG")}
	return p
}

// runs writes a configuration whose instances are these, by their names.
func (s *stage) runs(instances ...object) {
	s.Helper()
	all := object{}
	for _, i := range instances {
		all[i["name"].(string)] = i
	}
	s.write(s.provider(), object{"resource": object{"pattern_sidecar": all}})
}

// demo is an instance that is ready in a second: a server, and a sidecar that sleeps.
func demo() object {
	container := func(args ...string) object {
		return object{
			"image": demoImage, "args": args, "security": object{"user": 65532},
			"resources": object{"requests": object{"cpu": "10m", "memory": "8Mi"}, "limits": object{"memory": "64Mi"}},
		}
	}
	return object{
		"name":     "web",
		"replicas": 1,
		"main": with(container("serve", ":8080"), object{
			"ports":            object{"http": object{"port": 8080}},
			"probes.readiness": object{"http": object{"port": "http"}, "period": "1s"},
		}),
		"sidecars":    object{"helper": object{"container": container("sleep")}},
		"expose":      object{"http": object{"port": 80}},
		"termination": object{"grace": "2s", "drain": "0s"},
		"timeouts":    object{"create": "90s", "update": "90s", "delete": "90s"},
	}
}

// eventually polls until what is asked for holds.
func eventually(t *testing.T, within time.Duration, holds func() bool, msg string, args ...any) {
	t.Helper()
	require.Eventuallyf(t, holds, within, 200*time.Millisecond, msg, args...)
}

// gone requires that nothing of an instance is left. Endpoint slices and their like follow their owners in a moment.
func (s *stage) gone(instance string) {
	s.Helper()
	var left []string
	eventually(s.T, 20*time.Second, func() bool {
		left = s.left(s.T, instance)
		return len(left) == 0
	}, "of %s is left: %v", instance, lazy{&left})
}

// lazy shows a value as it is when it is shown.
type lazy struct{ v *[]string }

func (l lazy) String() string { return fmt.Sprint(*l.v) }
