package provider

import (
	"cmp"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"sync"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/engine/kubernetes"
	"github.com/container-patterns/terraform-provider-pattern/internal/engine/nomad"
	"github.com/container-patterns/terraform-provider-pattern/internal/fault"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/workload"
	"github.com/container-patterns/terraform-provider-pattern/internal/provider/instance"
	"github.com/container-patterns/terraform-provider-pattern/internal/provider/value"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// defaultRepository is where releases publish the images.
const defaultRepository = "ghcr.io/container-patterns"

// Wrapper sees requests.
type Wrapper = func(http.RoundTripper) http.RoundTripper

// config is the provider's configuration, by the names of its attributes.
type config struct {
	Kubernetes         *kubernetes.Config `json:"kubernetes"`
	Nomad              *nomad.Config      `json:"nomad"`
	Images             images             `json:"images"`
	DefaultLabels      map[string]string  `json:"default_labels"`
	DefaultAnnotations map[string]string  `json:"default_annotations"`
}

type images struct {
	Repository  string            `json:"repository"`
	Tag         string            `json:"tag"`
	References  map[string]string `json:"references"`
	PullPolicy  string            `json:"pull_policy"`
	PullSecrets []string          `json:"pull_secrets"`
}

// readConfig decodes the configuration; the paths are those of what is still unknown, at plan.
func readConfig(raw tftypes.Value) (c config, unknown []string, err error) {
	decoded, unknown := value.ToJSON(raw)
	text, err := json.Marshal(decoded)
	if err != nil {
		return c, unknown, err
	}
	return c, unknown, json.Unmarshal(text, &c)
}

// validate finds what is wrong in the configuration itself, whatever cluster it names.
func (c *config) validate() (l fault.List) {
	if c.Kubernetes != nil && c.Nomad != nil {
		l.Add("nomad", "two engines are configured: keep kubernetes or nomad, and put the other into a second provider block with an alias")
	}
	if c.Kubernetes == nil && c.Nomad == nil {
		l.AddNeeding([]string{"kubernetes", "nomad"}, "kubernetes", "no engine is configured: set kubernetes = { ... } or nomad = { ... }. An empty one takes everything from the environment (KUBE_CONFIG_PATH, ... or NOMAD_ADDR, ...). There is no default cluster")
	}
	switch c.Images.PullPolicy {
	case "", string(topology.PullAlways), string(topology.PullIfNotPresent), string(topology.PullNever):
	default:
		l.Add("images.pull_policy", `%q is none of "always", "if_not_present", "never"`, c.Images.PullPolicy)
	}
	for name, reference := range c.Images.References {
		workload.ImageName(&l, fault.Key("images.references", name), reference)
	}
	if c.Images.Repository != "" {
		workload.ImageName(&l, "images.repository", c.Images.Repository+"/logsaver")
	}
	return l
}

// target is what the configuration gives to the resources.
func (c *config) target(unknown []string, version string, o Options) instance.Target {
	var t instance.Target
	if len(unknown) == 0 { // else nothing can be asked, and no image is known for sure
		t.Engine = c.engine(version, o)
	}
	t.Settings = patterns.Settings{
		Image:       c.Images.reference(version),
		PullPolicy:  topology.PullPolicy(c.Images.PullPolicy),
		PullSecrets: c.Images.PullSecrets,
		Labels:      c.DefaultLabels,
		Annotations: c.DefaultAnnotations,
	}
	t.Translators, t.Made = c.translators(), &sync.Map{}
	return t
}

// translators into what each engine reads, by the settings of the one that is configured.
func (c *config) translators() map[string]instance.Translator {
	var k kubernetes.Config
	if c.Kubernetes != nil {
		k = *c.Kubernetes
	}
	var n nomad.Config
	if c.Nomad != nil {
		n = *c.Nomad
	}
	return map[string]instance.Translator{
		"kubernetes": {
			Check: kubernetes.New(k).Check,
			Manifest: func(t *topology.Topology) ([]byte, error) {
				return kubernetes.Manifest(t, kubernetes.Options{Namespace: k.Namespace})
			},
		},
		"nomad": {
			Check: nomad.New(n).Check,
			Manifest: func(t *topology.Topology) ([]byte, error) {
				return nomad.Manifest(t, nomad.Options{Namespace: n.Namespace, Region: n.Region, MHzPerCore: n.MHzPerCore})
			},
		},
	}
}

func (c *config) engine(version string, o Options) engine.Engine {
	if c.Nomad != nil {
		n := *c.Nomad
		n.Version, n.WrapTransport = version, o.WrapTransport
		return nomad.New(n)
	}
	k := *c.Kubernetes
	k.Version, k.WrapTransport = version, o.WrapTransport
	return kubernetes.New(k)
}

// reference of a framework image.
func (i *images) reference(version string) func(string) string {
	repository := cmp.Or(i.Repository, os.Getenv("PATTERN_IMAGES_REPOSITORY"), defaultRepository)
	tag := cmp.Or(i.Tag, os.Getenv("PATTERN_IMAGES_TAG"), version)
	return func(name string) string {
		if whole, ok := i.References[name]; ok {
			return whole
		}
		return strings.TrimSuffix(repository, "/") + "/" + name + ":" + tag
	}
}

func addFaults(to *diag.Diagnostics, l fault.List) {
	for _, f := range l {
		to.AddAttributeError(value.Path(f.Path), "Invalid provider configuration", f.Path+": "+f.Message+".")
	}
}
