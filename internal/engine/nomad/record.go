package nomad

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/hashicorp/nomad/api"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// record is what an instance tells about itself. It lies in the instance's variable, not in the job's meta, whose change
// would restart every container.
type record struct {
	Pattern  string          `json:"pattern"`
	Revision string          `json:"revision"`
	Complete bool            `json:"complete,omitempty"`
	Spec     json.RawMessage `json:"spec,omitempty"`
	// MHzPerCore that the job was translated with: nodes that come or go later must not change it.
	MHzPerCore int `json:"mhz_per_core"`
	// Policies and Volumes (to be deleted with the instance) that were made, by name.
	Policies []string `json:"policies,omitempty"`
	Volumes  []string `json:"volumes,omitempty"`
	// Leaving are groups of former versions that run until those of the newest one are ready.
	Leaving []string `json:"leaving,omitempty"`
	// Secrets are the versions of the values that the variable holds, by the secret's name.
	Secrets map[string]string `json:"secrets,omitempty"`
}

// compressAbove keeps the record of a large spec well below the bounds of a variable.
const compressAbove = 8 << 10

const gzipMark = "gzip:"

func (r *record) encode() (string, error) {
	raw, err := json.Marshal(r)
	if err != nil || len(raw) <= compressAbove {
		return string(raw), err
	}
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(raw); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	return gzipMark + base64.StdEncoding.EncodeToString(b.Bytes()), nil
}

func decodeRecord(s string) (*record, error) {
	raw := []byte(s)
	if packed, ok := strings.CutPrefix(s, gzipMark); ok {
		b, err := base64.StdEncoding.DecodeString(packed)
		if err != nil {
			return nil, err
		}
		z, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			return nil, err
		}
		if raw, err = io.ReadAll(io.LimitReader(z, 16<<20)); err != nil {
			return nil, err
		}
	}
	r := new(record)
	return r, json.Unmarshal(raw, r)
}

// stored is an instance's variable as it is; the zero value is one that is not there.
type stored struct {
	index  uint64
	items  api.VariableItems
	record *record // nil if the variable holds none
}

func (e *Engine) readVariable(ctx context.Context, k topology.Key) (stored, error) {
	c, err := e.connect()
	if err != nil {
		return stored{}, err
	}
	v, _, err := c.Variables().Read(variablePath(k.Name), e.query(ctx, k.Namespace))
	if errors.Is(err, api.ErrVariablePathNotFound) {
		return stored{}, nil
	}
	if err != nil {
		return stored{}, e.fault("read the variable "+variablePath(k.Name), err)
	}
	s := stored{index: v.ModifyIndex, items: v.Items}
	if raw, ok := v.Items[recordItem]; ok {
		if s.record, err = decodeRecord(raw); err != nil {
			return stored{}, fmt.Errorf("the record of %s in the variable %s is damaged: %w; restore or remove its item %q", object(k), variablePath(k.Name), err, recordItem)
		}
	}
	return s, nil
}

// errChanged says that another writer was quicker.
var errChanged = errors.New("was changed by another writer meanwhile")

// writeVariable replaces the variable that was read.
func (e *Engine) writeVariable(ctx context.Context, k topology.Key, was stored, r *record, items api.VariableItems) error {
	c, err := e.connect()
	if err != nil {
		return err
	}
	text, err := r.encode()
	if err != nil {
		return fmt.Errorf("encode the record of %s: %w", object(k), err)
	}
	items[recordItem] = text
	size := 0
	for k, v := range items {
		size += len(k) + len(v)
	}
	if size > variableBytes {
		return &engine.RejectedError{Object: "variable " + variablePath(k.Name), Reason: fmt.Sprintf(
			"it would hold %d KiB, and Nomad's limit is %d KiB, for the instance's own description, its secrets and its reloading configuration together: make them smaller, or let large files not reload", size>>10, variableBytes>>10)}
	}
	_, _, err = c.Variables().CheckedUpdate(&api.Variable{
		Namespace: k.Namespace, Path: variablePath(k.Name), ModifyIndex: was.index, Items: items,
	}, e.write(ctx, k.Namespace))
	var conflict api.ErrCASConflict
	if errors.As(err, &conflict) {
		return fmt.Errorf("write the variable %s: it %w", variablePath(k.Name), errChanged)
	}
	if err != nil {
		return e.fault("write the variable "+variablePath(k.Name), err)
	}
	return nil
}

// ours tells whether an item of the variable is the instance's; others may have put theirs beside.
func ours(item string) bool {
	return item == recordItem || strings.HasPrefix(item, "config/") || strings.HasPrefix(item, "secret/")
}
