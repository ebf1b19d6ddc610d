package kubernetes

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

func parse(t *testing.T, text string) map[string]any {
	var out map[string]any
	require.NoError(t, yaml.Unmarshal([]byte(text), &out))
	return out
}

func TestOnlyOwnedFieldsThatMeanSomethingElseDiffer(t *testing.T) {
	for _, c := range []struct {
		name, want, have string
		paths            []string
	}{
		{"what others add does not count", `spec: {a: 1}`, `{spec: {a: 1, b: 2}, metadata: {labels: {x: y}}, status: {z: 1}}`, nil},
		{"another value", `spec: {a: 1}`, `spec: {a: 2}`, []string{".spec.a"}},
		{"a field that is gone", `spec: {a: {b: 1}}`, `spec: {}`, []string{".spec.a.b"}},
		{"a zero that the API drops", `spec: {a: 0, b: "", c: false, d: {}, e: []}`, `spec: {}`, nil},
		{"the same amount in other words", `spec: {resources: {requests: {cpu: "1", memory: 1Gi}}}`, `spec: {resources: {requests: {cpu: 1000m, memory: 1024Mi}}}`, nil},
		{"another amount", `spec: {resources: {limits: {cpu: "1"}}}`, `spec: {resources: {limits: {cpu: 1100m}}}`, []string{".spec.resources.limits.cpu"}},
		{"the size of a volume in other words", `volumes: [{name: a, emptyDir: {sizeLimit: 1Gi}}]`, `volumes: [{name: a, emptyDir: {sizeLimit: 1024Mi}}]`, nil},
		{"containers in another order", `containers: [{name: a, image: x}, {name: b, image: y}]`, `containers: [{name: b, image: y}, {name: c}, {name: a, image: x}]`, nil},
		{"a container's image", `containers: [{name: a, image: x}]`, `containers: [{name: a, image: y}]`, []string{`.containers[name="a"].image`}},
		{"a container that is gone", `containers: [{name: a, image: x}]`, `containers: []`, []string{`.containers[name="a"].image`, `.containers[name="a"].name`}},
		{"a port's protocol is a part of its key", `ports: [{containerPort: 53, protocol: UDP, name: dns}]`, `ports: [{containerPort: 53, protocol: TCP, name: dns}]`,
			[]string{`.ports[containerPort=53,protocol="UDP"].containerPort`, `.ports[containerPort=53,protocol="UDP"].name`, `.ports[containerPort=53,protocol="UDP"].protocol`}},
		{"arguments in another order", `args: [a, b]`, `args: [b, a]`, []string{".args"}},
		{"one argument more", `args: [a]`, `args: [a, b]`, []string{".args"}},
		{"what the API adds to the elements of a list", `tolerations: [{key: a}]`, `tolerations: [{key: a, operator: Equal}]`, nil},
		{"an element more in a list without a key", `tolerations: [{key: a}]`, `tolerations: [{key: a}, {key: b}]`, []string{".tolerations"}},
		{"an element that differs in a list without a key", `tolerations: [{key: a}]`, `tolerations: [{key: b}]`, []string{".tolerations[0].key"}},
		{"a label with dots", `metadata: {labels: {example.com/a: b}}`, `metadata: {labels: {example.com/a: c}}`, []string{`.metadata.labels["example.com/a"]`}},
		{"the rest of the metadata is only an address", `metadata: {name: a, namespace: b, ownerReferences: [{uid: x}]}`, `metadata: {name: a, resourceVersion: "1"}`, nil},
		{"something of another kind", `spec: {a: {b: 1}}`, `spec: {a: [1]}`, []string{".spec.a"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var paths []string
			for _, d := range differences(parse(t, c.want), parse(t, c.have)) {
				paths = append(paths, d.path)
			}
			assert.Equal(t, c.paths, paths)
		})
	}
}

func TestEveryTranslationEqualsItself(t *testing.T) {
	objects, err := Translate(logSaver(), Options{})
	require.NoError(t, err)
	for _, o := range objects {
		assert.Empty(t, differences(o.Object, o.DeepCopy().Object), describe(o))
	}
}

func TestShortFormsStayShort(t *testing.T) {
	assert.Equal(t, "nothing", short(nil))
	assert.Equal(t, `"a"`, short("a"))
	long := make([]byte, 1000)
	for i := range long {
		long[i] = 'x'
	}
	assert.LessOrEqual(t, len(short(string(long))), 123)
}
