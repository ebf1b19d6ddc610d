package nomad

import (
	"bytes"
	"encoding/json"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// manifest is what `nomad job run -json` takes: it reads Job and ignores the rest, which tells a reader what else has to
// be there.
type manifest struct {
	Job      any             `json:"Job"`
	Variable *variableNotice `json:"Variable,omitempty"`
	Policies []policyNotice  `json:"Policies,omitempty"`
	Volumes  []string        `json:"Volumes,omitempty"`
}

// variableNotice shows the items of the instance's variable; secrets are named, not shown.
type variableNotice struct {
	Namespace, Path string
	Items           map[string]string `json:",omitempty"`
	Secrets         []string          `json:",omitempty"`
}

type policyNotice struct {
	Name, Group, Rules string
}

// Manifest is what a topology becomes, as JSON for `nomad job run -json`, without any secret value.
func Manifest(t *topology.Topology, o Options) ([]byte, error) {
	p, err := Translate(t, o)
	if err != nil {
		return nil, err
	}
	job, err := json.Marshal(p.Job)
	if err != nil {
		return nil, err
	}
	var tree any
	d := json.NewDecoder(bytes.NewReader(job))
	d.UseNumber()
	if err := d.Decode(&tree); err != nil {
		return nil, err
	}
	m := manifest{Job: prune(tree)}
	if len(p.Items)+len(p.Secrets) > 0 {
		m.Variable = &variableNotice{Namespace: p.Key.Namespace, Path: p.Path, Items: p.Items}
		for _, s := range p.Secrets {
			m.Variable.Secrets = append(m.Variable.Secrets, s.Item)
		}
	}
	for _, a := range p.Policies {
		m.Policies = append(m.Policies, policyNotice{Name: a.Name, Group: a.JobACL.Group, Rules: a.Rules})
	}
	counts := map[string]int{}
	for i := range t.Groups {
		counts[t.Groups[i].Name] = replicas(&t.Groups[i])
	}
	for _, v := range p.Volumes {
		m.Volumes = append(m.Volumes, v.names(counts[v.Group])...)
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(m); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// prune leaves out what is not set.
func prune(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, item := range v {
			if item == nil {
				delete(v, k)
				continue
			}
			v[k] = prune(item)
		}
	case []any:
		for i := range v {
			v[i] = prune(v[i])
		}
	}
	return v
}
