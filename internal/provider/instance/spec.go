package instance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/fault"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns"
	"github.com/container-patterns/terraform-provider-pattern/internal/provider/value"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// written is what a user wrote of an instance.
type written struct {
	spec patterns.Spec
	// record is the JSON of everything that was written, with the timeouts; the instance carries it, so that an import
	// finds the same. Values of write-only attributes are in it only if it was read from a configuration.
	record json.RawMessage
	// unknown are the paths of what is not known yet.
	unknown []string
}

// read decodes the values of a configuration, a plan or a state.
func (k Kind) read(raw tftypes.Value) (*written, error) {
	decoded, unknown := value.ToJSON(raw)
	all, ok := decoded.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("the instance itself is unknown")
	}
	computed := k.computed()
	for name := range computed {
		delete(all, name)
	}
	unknown = slices.DeleteFunc(unknown, func(p string) bool { _, ok := computed[p]; return ok })
	record, err := json.Marshal(all)
	if err != nil {
		return nil, err
	}
	withoutTimeouts := maps.Clone(all)
	delete(withoutTimeouts, "timeouts")
	spec, err := k.decode(withoutTimeouts)
	if err != nil {
		return nil, err
	}
	return &written{spec: spec, record: record, unknown: unknown}, nil
}

// decode a spec, strictly: an attribute that the spec does not know is a fault of the schema.
func (k Kind) decode(from any) (patterns.Spec, error) {
	raw, err := json.Marshal(withoutNulls(from))
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	spec := k.New()
	if err := d.Decode(spec); err != nil {
		return nil, err
	}
	return spec, nil
}

// withoutNulls leaves out the elements of maps that are null, which is how Terraform's users say "not this one".
func withoutNulls(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			if e != nil {
				out[k] = withoutNulls(e)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = withoutNulls(e)
		}
		return out
	}
	return v
}

// topology of what was written; record is what the instance carries.
func (r *Resource) topology(w *written, record json.RawMessage) *topology.Topology {
	t := w.spec.Topology(r.target.Settings)
	t.Spec = record
	return t
}

// Validate what was written of an instance, as far as it is known.
func (k Kind) Validate(raw tftypes.Value) (fault.List, error) {
	w, err := k.read(raw)
	if err != nil {
		return nil, err
	}
	return w.spec.Validate().Known(w.unknown), nil
}

// Topology of what was written of an instance; it is nil where there are faults.
func (k Kind) Topology(raw tftypes.Value, s patterns.Settings) (*topology.Topology, fault.List, error) {
	w, err := k.read(raw)
	if err != nil {
		return nil, nil, err
	}
	if faults := w.spec.Validate(); len(faults) > 0 {
		return nil, faults, nil
	}
	t := w.spec.Topology(s)
	t.Spec = w.record
	return t, nil, nil
}

// Recorded gives the topology of an instance that was found by its record.
func (k Kind) Recorded(r *engine.Record, s patterns.Settings) (*topology.Topology, error) {
	var all map[string]any
	if err := json.Unmarshal(r.Spec, &all); err != nil {
		return nil, fmt.Errorf("the specification that it carries is not readable: %w", err)
	}
	delete(all, "timeouts")
	spec, err := k.decode(all)
	if err != nil {
		return nil, fmt.Errorf("the specification that it carries was written by another version of the provider: %w", err)
	}
	t := spec.Topology(s)
	t.Spec, t.Namespace = r.Spec, r.Key.Namespace
	return t, nil
}
