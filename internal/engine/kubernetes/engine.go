// Package kubernetes runs topologies on Kubernetes. Translation to objects is pure; applying goes by server-side apply
// under one field manager; one object, the record, stands for each instance and owns the rest.
//
// It needs Kubernetes 1.30: native sidecars, and hooks that sleep. Its user must be allowed, in the namespaces of the
// instances:
//
//   - get, list, watch, create, patch, delete: configmaps, services, deployments, and what else the instances are made of:
//     secrets, persistentvolumeclaims, statefulsets, jobs, serviceaccounts, roles, rolebindings, poddisruptionbudgets
//   - list, watch, patch: pods; get: pods/log; list, watch: events. Without these, failures show later and with less, and no
//     log is read.
//   - create: pods/exec, to hand over elections (and get, where the way to the API knows WebSockets only). Nothing else needs it.
//   - in the whole cluster, list: nodes, for the addresses of node ports; get, create: priorityclasses, for priorities.
//     Without these, there are no such addresses, and somebody else must make the classes.
package kubernetes

import (
	"sync"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// An Engine runs instances on one cluster. It is safe for concurrent use.
type Engine struct {
	config Config

	mu     sync.Mutex
	client *client
}

var _ engine.Engine = (*Engine)(nil)

// New makes an engine. It does not connect: a configuration that is missing or wrong shows when the engine is first used.
func New(c Config) *Engine { return &Engine{config: c} }

// Name is "kubernetes".
func (e *Engine) Name() string { return "kubernetes" }

// client of one cluster.
type client struct {
	config    *Config
	rest      *rest.Config
	dynamic   dynamic.Interface
	core      rest.Interface
	namespace string
}

// connect makes the client when it is first needed. A failure is not remembered.
func (e *Engine) connect() (*client, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.client != nil {
		return e.client, nil
	}
	c := e.config.WithEnvironment()
	r, namespace, err := c.signIn()
	if err != nil {
		return nil, err
	}
	made := &client{config: &c, rest: r, namespace: namespace}
	h, err := rest.HTTPClientFor(r)
	if err != nil {
		return nil, made.explain(err)
	}
	if made.dynamic, err = dynamic.NewForConfigAndClient(r, h); err != nil {
		return nil, made.explain(err)
	}
	core := rest.CopyConfig(r)
	core.APIPath, core.GroupVersion = "/api", &schema.GroupVersion{Version: "v1"}
	core.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	if made.core, err = rest.RESTClientForConfigAndClient(core, h); err != nil {
		return nil, made.explain(err)
	}
	e.client = made
	return made, nil
}

// key with the namespace that it is in.
func (c *client) key(k topology.Key) topology.Key {
	if k.Namespace == "" {
		k.Namespace = c.namespace
	}
	return k
}
