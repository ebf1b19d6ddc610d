//go:build acceptance

package acceptance

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"sort"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// kube is the test's own access to a namespace of a real Kubernetes.
type kube struct {
	namespace string
	config    *rest.Config
	client    *http.Client
}

func newKubernetes(t *testing.T, namespace string) (*kube, *proxy) {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	require.NoError(t, err)
	transport, err := rest.TransportFor(config)
	require.NoError(t, err)
	k := &kube{namespace: namespace, config: config, client: &http.Client{Transport: transport}}
	k.do(t, http.MethodPost, "/api/v1/namespaces", object{"metadata": object{"name": namespace}}, nil)
	t.Cleanup(func() { k.do(t, http.MethodDelete, "/api/v1/namespaces/"+namespace, nil, nil) })
	return k, newProxy(t, config.Host, transport)
}

func (k *kube) name() string { return "kubernetes" }

func (k *kube) signIn(p *proxy) object { return object{"host": p.URL, "namespace": k.namespace} }

const (
	// strategicPatch is a PATCH that finds elements of lists by their names.
	strategicPatch = "strategic PATCH"
	// applyPatch is a server-side apply.
	applyPatch = "apply PATCH"
)

// do one request as the cluster's administrator.
func (k *kube) do(t *testing.T, method, path string, body, into any) {
	t.Helper()
	require.NoError(t, k.try(method, path, body, into))
}

func (k *kube) try(method, path string, body, into any) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	contentType := "application/json"
	switch method {
	case http.MethodPatch:
		contentType = "application/merge-patch+json"
	case applyPatch:
		method, contentType = http.MethodPatch, "application/apply-patch+yaml"
	case strategicPatch:
		method, contentType = http.MethodPatch, "application/strategic-merge-patch+json"
	}
	r, err := http.NewRequestWithContext(context.Background(), method, k.config.Host+path, bytes.NewReader(raw))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", contentType)
	resp, err := k.client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, answer)
	}
	if into != nil {
		return json.Unmarshal(answer, into)
	}
	return nil
}

// at is the path of a resource in the namespace.
func (k *kube) at(format string, args ...any) string {
	group, rest, _ := strings.Cut(fmt.Sprintf(format, args...), " ")
	return group + "/namespaces/" + k.namespace + "/" + rest
}

func (k *kube) scale(t *testing.T, instance string, replicas int) {
	t.Helper()
	k.do(t, http.MethodPatch, k.at("/apis/apps/v1 deployments/%s/scale?fieldManager=autoscaler", instance), object{"spec": object{"replicas": replicas}}, nil)
}

func (k *kube) disturb(t *testing.T, instance string) {
	t.Helper()
	main := object{"name": "main", "env": []object{{"name": "COLOUR", "value": "red"}}}
	k.do(t, strategicPatch, k.at("/apis/apps/v1 deployments/%s?fieldManager=colleague", instance),
		object{"spec": object{"template": object{"spec": object{"containers": []object{main}}}}}, nil)
}

func (k *kube) vanish(t *testing.T, instance string) {
	t.Helper()
	for _, kind := range []string{"/apis/apps/v1 deployments", "/api/v1 services", "/api/v1 configmaps"} {
		k.do(t, http.MethodDelete, k.at("%s?labelSelector=container-patterns.dev/instance=%s", kind, instance), nil, nil)
	}
}

// kinds that an instance may be made of.
var kinds = []string{
	"/apis/apps/v1 deployments", "/apis/apps/v1 statefulsets", "/apis/apps/v1 replicasets", "/apis/apps/v1 controllerrevisions",
	"/apis/batch/v1 jobs", "/api/v1 pods", "/api/v1 services", "/api/v1 configmaps", "/api/v1 secrets", "/api/v1 serviceaccounts",
	"/api/v1 persistentvolumeclaims", "/apis/discovery.k8s.io/v1 endpointslices", "/apis/policy/v1 poddisruptionbudgets",
	"/apis/rbac.authorization.k8s.io/v1 roles", "/apis/rbac.authorization.k8s.io/v1 rolebindings",
}

func (k *kube) left(t *testing.T, instance string) []string {
	t.Helper()
	var all []string
	for _, kind := range kinds {
		var list struct {
			Items []struct {
				Metadata struct {
					Name   string
					Labels map[string]string
				}
			}
		}
		k.do(t, http.MethodGet, k.at("%s", kind), nil, &list)
		_, plural, _ := strings.Cut(kind, " ")
		for _, i := range list.Items {
			if i.Metadata.Labels["container-patterns.dev/instance"] == instance || i.Metadata.Labels["app.kubernetes.io/instance"] == instance {
				all = append(all, plural+"/"+i.Metadata.Name)
			}
		}
	}
	sort.Strings(all)
	return all
}

type pod struct {
	Metadata struct {
		Name              string
		Labels            map[string]string
		DeletionTimestamp *string
	}
	Spec struct {
		InitContainers, Containers []struct{ Name, Image string }
	}
	Status struct {
		PodIP                                    string
		Conditions                               []struct{ Type, Status string }
		InitContainerStatuses, ContainerStatuses []struct {
			Name, ContainerID string
			RestartCount      int
		}
	}
}

func (k *kube) replicas(t *testing.T, instance string) []replica {
	t.Helper()
	var pods struct{ Items []pod }
	k.do(t, http.MethodGet, k.at("/api/v1 pods?labelSelector=container-patterns.dev/instance=%s", instance), nil, &pods)
	var all []replica
	for _, p := range pods.Items {
		if p.Metadata.DeletionTimestamp != nil {
			continue
		}
		r := replica{ID: p.Metadata.Name, Group: p.Metadata.Labels["container-patterns.dev/group"], Address: p.Status.PodIP + ":8080", Restarts: map[string]int{}, Images: map[string]string{}, ids: map[string]string{}}
		for _, c := range p.Status.Conditions {
			r.Ready = r.Ready || c.Type == "Ready" && c.Status == "True"
		}
		for _, c := range append(p.Spec.InitContainers, p.Spec.Containers...) {
			r.Images[c.Name] = c.Image
		}
		for _, c := range append(p.Status.InitContainerStatuses, p.Status.ContainerStatuses...) {
			r.Restarts[c.Name] = c.RestartCount
			r.ids[c.Name] = strings.TrimPrefix(c.ContainerID, "containerd://")
		}
		all = append(all, r)
	}
	return all
}

func (k *kube) holds(t *testing.T, value string) bool {
	t.Helper()
	var secrets struct {
		Items []struct{ Data map[string][]byte }
	}
	k.do(t, http.MethodGet, k.at("/api/v1 secrets"), nil, &secrets)
	for _, s := range secrets.Items {
		for _, v := range s.Data {
			if string(v) == value {
				return true
			}
		}
	}
	return false
}

func (k *kube) secret(t *testing.T, instance, name string) string {
	t.Helper()
	var secret struct{ Data map[string][]byte }
	k.do(t, http.MethodGet, k.at("/api/v1 secrets/%s-%s", instance, name), nil, &secret)
	require.NotEmpty(t, secret.Data["token"])
	return string(secret.Data["token"])
}

func (k *kube) data(t *testing.T) []string {
	t.Helper()
	var claims struct {
		Items []struct{ Metadata struct{ Name string } }
	}
	k.do(t, http.MethodGet, k.at("/api/v1 persistentvolumeclaims"), nil, &claims)
	var all []string
	for _, c := range claims.Items {
		all = append(all, c.Metadata.Name)
	}
	return all
}

func (k *kube) serving(t *testing.T, instance string) []string {
	t.Helper()
	var services struct {
		Items []struct {
			Spec struct{ Ports []struct{ NodePort int } }
		}
	}
	k.do(t, http.MethodGet, k.at("/api/v1 services?labelSelector=container-patterns.dev/instance=%s", instance), nil, &services)
	var nodes struct {
		Items []struct {
			Status struct {
				Addresses []struct{ Type, Address string }
			}
		}
	}
	k.do(t, http.MethodGet, "/api/v1/nodes", nil, &nodes)
	var all []string
	for _, n := range nodes.Items {
		for _, a := range n.Status.Addresses {
			for _, s := range services.Items {
				for _, p := range s.Spec.Ports { // a stable group's own has none
					if a.Type == "InternalIP" && p.NodePort != 0 {
						all = append(all, fmt.Sprintf("%s:%d", a.Address, p.NodePort))
					}
				}
			}
		}
	}
	return all
}

// settled: of a rollout that is under way nothing is lost.
func (k *kube) settled(*testing.T, string) bool { return true }

func (k *kube) pids(t *testing.T, r replica, container string) []int {
	t.Helper()
	require.NotEmpty(t, r.ids[container], "container %s has no ID yet", container)
	return processesOf(t, r.ids[container])
}
