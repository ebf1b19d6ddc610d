package kubernetes

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

func TestEndpointsAreAsFarOutsideAsTheServiceReaches(t *testing.T) {
	in := exposed()
	live := map[string]*Object{}
	objects, err := Translate(in, Options{})
	require.NoError(t, err)
	for _, o := range objects {
		live[reference(o)] = o
	}
	record := objects[0]
	see := func() map[string][]string { return (&client{}).endpoints(t.Context(), in, live, record) }

	annotate(record, annotationNodes, "10.0.0.1,10.0.0.2")
	assert.Equal(t, map[string][]string{
		"web/http":      {"web.shop.svc:80"},
		"web-node/http": {"10.0.0.1:30080", "10.0.0.2:30080"},
		"web-node/dns":  {"10.0.0.1:0", "10.0.0.2:0"}, // the API would have chosen a port
		"web-lb/http":   nil,
	}, see())

	t.Run("a load balancer has names or addresses", func(t *testing.T) {
		lb := live["v1/Service/web-lb"]
		require.NoError(t, unstructured.SetNestedSlice(lb.Object, []any{map[string]any{"ip": "192.0.2.1"}, map[string]any{"hostname": "lb.test"}}, "status", "loadBalancer", "ingress"))
		assert.Equal(t, []string{"192.0.2.1:80", "lb.test:80"}, see()["web-lb/http"])
	})
	t.Run("without leave to list nodes there is the address within the cluster", func(t *testing.T) {
		annotate(record, annotationNodes, "")
		assert.Equal(t, []string{"web-node.shop.svc:80"}, see()["web-node/http"])
	})
	t.Run("a single service goes without its name", func(t *testing.T) {
		in.Groups[0].Services = in.Groups[0].Services[:1]
		assert.Equal(t, map[string][]string{"http": {"web.shop.svc:80"}}, see())
	})
	t.Run("a service that is gone has no address", func(t *testing.T) {
		delete(live, "v1/Service/web")
		assert.Empty(t, see())
	})
}

func TestNodesAreReachedByTheirExternalAddress(t *testing.T) {
	node := func(addresses ...any) *Object {
		return &Object{Object: map[string]any{"status": map[string]any{"addresses": addresses}}}
	}
	internal := map[string]any{"type": "InternalIP", "address": "10.0.0.1"}
	external := map[string]any{"type": "ExternalIP", "address": "192.0.2.1"}
	assert.Equal(t, "192.0.2.1", nodeAddress(node(internal, external)))
	assert.Equal(t, "10.0.0.1", nodeAddress(node(internal)))
	assert.Empty(t, nodeAddress(node()))
}

func TestNamesNeverMeet(t *testing.T) {
	assert.Equal(t, "web", ObjectName("web", "main"))
	assert.Equal(t, "web-db", ObjectName("web", "db"))
	assert.Equal(t, "web.leader-election", recordName("web", "leader_election"))
	long := topology.Key{Pattern: "sidecar", Name: "web"}
	assert.Equal(t, labelPattern+"=sidecar,"+labelInstance+"=web", instanceSelector(long))
}

func TestReferencesAreReadBack(t *testing.T) {
	objects, err := Translate(granted(), Options{})
	require.NoError(t, err)
	for _, o := range objects {
		k, name, err := dereference(reference(o))
		require.NoError(t, err)
		assert.Equal(t, o.GetName(), name)
		assert.Equal(t, o.GetKind(), k.name)
		assert.Equal(t, o.GetAPIVersion(), k.apiVersion)
	}
	for _, bad := range []string{"", "web", "v1/web", "v9/Thing/web"} {
		_, _, err := dereference(bad)
		assert.Error(t, err, bad)
	}
}
