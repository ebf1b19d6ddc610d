package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/config"
)

type object = map[string]any

// A cluster is a namespace of this run's in Kubernetes.
type cluster struct {
	server    *url.URL
	admin     *http.Client
	authority []byte // the server's
	namespace string
	dir       string
	// account is the folder of a service account, as Kubernetes mounts it, and env where the server is.
	account string
	env     []string
}

func newCluster(dir string) (*cluster, error) {
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return nil, err
	}
	if err := rest.LoadTLSFiles(config); err != nil {
		return nil, err
	}
	c := &cluster{authority: config.CAData, namespace: fmt.Sprintf("bench-%d", time.Now().UnixNano()), dir: dir}
	if c.server, err = url.Parse(config.Host); err != nil {
		return nil, err
	}
	if c.admin, err = rest.HTTPClientFor(config); err != nil {
		return nil, err
	}
	c.env = []string{"KUBERNETES_SERVICE_HOST=" + c.server.Hostname(), "KUBERNETES_SERVICE_PORT=" + c.server.Port()}
	c.account, err = c.newAccount("account", c.authority)
	return c, err
}

// newAccount makes the namespace, if there is none, and a folder of a service account for a server of this authority.
func (c *cluster) newAccount(name string, authority []byte) (folder string, err error) {
	folder = filepath.Join(c.dir, name)
	if err := os.Mkdir(folder, 0o700); err != nil {
		return "", err
	}
	named := object{"name": "elector"}
	if c.account == "" {
		if err := c.make("/api/v1/namespaces", object{"metadata": object{"name": c.namespace}}, nil); err != nil {
			return "", err
		}
		if err := c.make(c.core("serviceaccounts"), object{"metadata": named}, nil); err != nil {
			return "", err
		}
		// More than the provider grants to electors (those Leases that there are, by their names), since the peer makes its own.
		rules := []object{{"apiGroups": []string{"coordination.k8s.io"}, "resources": []string{"leases"}, "verbs": []string{"get", "watch", "patch", "create", "update"}}}
		const access = "/apis/rbac.authorization.k8s.io/v1/namespaces/"
		if err := c.make(access+c.namespace+"/roles", object{"metadata": named, "rules": rules}, nil); err != nil {
			return "", err
		}
		if err := c.make(access+c.namespace+"/rolebindings", object{
			"metadata": named, "roleRef": object{"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "elector"},
			"subjects": []object{{"kind": "ServiceAccount", "name": "elector", "namespace": c.namespace}},
		}, nil); err != nil {
			return "", err
		}
	}
	var token struct {
		Status struct {
			Token string `json:"token"`
		} `json:"status"`
	}
	if err := c.make(c.core("serviceaccounts/elector/token"), object{"spec": object{"expirationSeconds": 7200}}, &token); err != nil {
		return "", err
	}
	for file, text := range map[string]string{"token": token.Status.Token, "namespace": c.namespace, "ca.crt": string(authority)} {
		if err := os.WriteFile(filepath.Join(folder, file), []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	return folder, nil
}

func (c *cluster) core(what string) string {
	return "/api/v1/namespaces/" + c.namespace + "/" + what
}

// make an object.
func (c *cluster) make(path string, what object, into any) error {
	return c.do(http.MethodPost, path, what, into)
}

func (c *cluster) do(method, path string, what object, into any) error {
	body, err := json.Marshal(what)
	if err != nil {
		return err
	}
	request, err := http.NewRequest(method, c.server.String()+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := c.admin.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	said, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s: %s", method, path, response.Status, strings.TrimSpace(string(said)))
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(said, into)
}

// remove what this run has made.
func (c *cluster) remove() {
	if err := c.do(http.MethodDelete, "/api/v1/namespaces/"+c.namespace, object{"propagationPolicy": "Background"}, nil); err != nil {
		say("the namespace %s was not removed: %v", c.namespace, err)
	}
}

func (c *cluster) String() string { return "kubernetes" }

func (c *cluster) sites(_, electorate string, electors int, records []string, counted bool) ([]site, *proxy, error) {
	for _, name := range records {
		if err := c.make("/apis/coordination.k8s.io/v1/namespaces/"+c.namespace+"/leases", object{"metadata": object{"name": electorate + "-" + name}}, nil); err != nil {
			return nil, nil, err
		}
	}
	s := site{backend: config.Backend{Kubernetes: &config.Kubernetes{Prefix: electorate, Account: c.account}}, env: c.env}
	if !counted {
		return same(s, electors), nil, nil
	}
	p, account, err := c.count(electorate)
	if err != nil {
		return nil, nil, err
	}
	s.backend.Kubernetes.Account = account
	at, err := url.Parse(p.url)
	s.env = []string{"KUBERNETES_SERVICE_HOST=" + at.Hostname(), "KUBERNETES_SERVICE_PORT=" + at.Port()}
	return same(s, electors), p, err
}

// count what goes to the server, with an account for the proxy that does.
func (c *cluster) count(name string) (p *proxy, account string, err error) {
	p, authority, err := countKubernetes(c.server, c.authority)
	if err != nil {
		return nil, "", err
	}
	account, err = c.newAccount(name+"-account", authority)
	return p, account, err
}
