package main

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"sync/atomic"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

type object = map[string]any

// An engine to measure on.
type engine struct {
	name, needs string // the variable that says where it is

	makeNamespace, removeNamespace func(string) error
	// direct and through a proxy are the engine's part of the provider's configuration.
	direct  func(namespace string) object
	through func(proxy, namespace string) object
	// api is its address, and a transport that signs in where the provider's configuration does not.
	api func() (string, http.RoundTripper, error)
}

func engines() []engine {
	return []engine{
		{
			name: "kubernetes", needs: "KUBECONFIG",
			makeNamespace:   func(n string) error { return command("kubectl", "create", "namespace", n) },
			removeNamespace: func(n string) error { return command("kubectl", "delete", "namespace", n, "--wait=false") },
			direct: func(n string) object {
				return object{"config_path": os.Getenv("KUBECONFIG"), "namespace": n}
			},
			through: func(proxy, n string) object { return object{"host": proxy, "namespace": n} },
			api: func() (string, http.RoundTripper, error) {
				config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
				if err != nil {
					return "", nil, err
				}
				transport, err := rest.TransportFor(config)
				return config.Host, transport, err
			},
		},
		{
			name: "nomad", needs: "NOMAD_ADDR",
			makeNamespace: func(n string) error { return command("nomad", "namespace", "apply", n) },
			removeNamespace: func(n string) error {
				return eventually(func() error { return command("nomad", "namespace", "delete", n) })
			},
			direct: func(n string) object {
				return object{"address": os.Getenv("NOMAD_ADDR"), "token": os.Getenv("NOMAD_TOKEN"), "namespace": n}
			},
			through: func(proxy, n string) object {
				return object{"address": proxy, "token": os.Getenv("NOMAD_TOKEN"), "namespace": n}
			},
			api: func() (string, http.RoundTripper, error) { return os.Getenv("NOMAD_ADDR"), nil, nil },
		},
	}
}

// A counter stands before an engine's API.
type counter struct {
	url      string
	requests atomic.Int64
	close    func()
}

func count(e engine) (*counter, error) {
	base, transport, err := e.api()
	if err != nil {
		return nil, err
	}
	to, err := url.Parse(base)
	if err != nil {
		return nil, err
	}
	c := &counter{}
	forward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }, Transport: transport, FlushInterval: -1}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.requests.Add(1)
		forward.ServeHTTP(w, r)
	}))
	c.url, c.close = server.URL, server.Close
	return c, nil
}

// eventually repeats what must wait until jobs have ended.
func eventually(do func() error) error {
	again := time.NewTicker(500 * time.Millisecond)
	defer again.Stop()
	deadline := time.After(time.Minute)
	for {
		err := do()
		if err == nil {
			return nil
		}
		select {
		case <-again.C:
		case <-deadline:
			return err
		}
	}
}
