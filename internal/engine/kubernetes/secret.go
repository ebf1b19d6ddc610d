package kubernetes

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// addValues completes a Secret with the values given, with those that the cluster has, and with new random ones where a
// generated value is missing.
func (a *application) addValues(o, live *Object) error {
	for i := range a.t.Secrets {
		s := &a.t.Secrets[i]
		if ObjectName(a.t.Name, s.Name) != o.GetName() {
			continue
		}
		have := present(live)
		if holds(live, s) {
			// What a former version had, and this one has not, was kept for a rollback; that time is over.
			if wanted := secretKeys(s); s.Values != nil {
				have = maps.Clone(have)
				maps.DeleteFunc(have, func(k string, _ any) bool { return !slices.Contains(wanted, k) })
			}
			s = &topology.Secret{Name: s.Name, Version: s.Version, Keys: s.Keys, Generate: s.Generate}
		}
		data, err := secretData(s, have)
		if err != nil {
			return &engine.RejectedError{Object: describe(o), Reason: err.Error(), Err: err}
		}
		for k, v := range have { // replicas of the former revision may still read it, and a rollback wants it
			if _, there := data[k]; !there {
				data[k] = v
			}
		}
		o.Object["data"] = data
		annotateValues(o, live, s)
		if live != nil {
			o.SetResourceVersion(live.GetResourceVersion()) // two runs must not generate different values
		}
	}
	return nil
}

// holds tells whether a Secret has the values of the version that is wanted: they are only written when that changes,
// whatever the configuration gives (it may be made anew with each run).
func holds(live *Object, s *topology.Secret) bool {
	if live == nil || s.Version == "" || live.GetAnnotations()[annotationValues] != s.Version {
		return false
	}
	have := present(live)
	for k := range s.Values {
		if _, there := have[k]; !there {
			return false
		}
	}
	return true
}

// annotateValues notes the version of the values that the Secret holds. After a rollback those are of another version than
// the wanted one; then there is no note, and the next values that are given are written.
func annotateValues(o, live *Object, s *topology.Secret) {
	if s.Version == "" || s.Values == nil && (live == nil || live.GetAnnotations()[annotationValues] != s.Version) {
		return
	}
	all := o.GetAnnotations()
	if all == nil {
		all = map[string]string{}
	}
	all[annotationValues] = s.Version
	o.SetAnnotations(all)
}

func present(live *Object) map[string]any {
	if live == nil {
		return nil
	}
	data, _ := live.Object["data"].(map[string]any)
	return data
}

// secretData is the data of a Secret in base64, given what there is. Without values, all that there is stays.
func secretData(s *topology.Secret, have map[string]any) (map[string]any, error) {
	data := map[string]any{}
	if s.Values == nil {
		maps.Copy(data, have)
	}
	for k, bytes := range s.Generate {
		if v, there := have[k]; there {
			data[k] = v
			continue
		}
		raw := make([]byte, bytes)
		if _, err := rand.Read(raw); err != nil {
			return nil, fmt.Errorf("generate %s: %w", k, err)
		}
		data[k] = encode(base64.RawURLEncoding.EncodeToString(raw))
	}
	for k, v := range s.Values {
		data[k] = encode(v)
	}
	for _, k := range s.Keys {
		if _, there := data[k]; !there {
			return nil, fmt.Errorf("the value of %q is neither given nor in the cluster; give the values and change their version", k)
		}
	}
	return data, nil
}

func encode(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
