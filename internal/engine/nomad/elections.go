package nomad

import (
	"context"
	"net/http"
	"strings"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// itemElector of a variable holds what electors have written.
const itemElector = "record"

// Elections reads what the electors of an instance share.
func (e *Engine) Elections(ctx context.Context, key topology.Key) (map[string][]byte, error) {
	c, err := e.connect()
	if err != nil {
		return nil, err
	}
	namespace, prefix := e.cfg.namespace(key.Namespace), ElectionPath(key.Name, "")
	list, _, err := c.Variables().PrefixList(prefix, e.query(ctx, namespace))
	if err != nil {
		return nil, e.fault("list the elections of "+key.Name, err)
	}
	out := map[string][]byte{}
	for _, v := range list {
		is, _, err := c.Variables().Peek(v.Path, e.query(ctx, namespace))
		if err != nil && status(err) != http.StatusNotFound {
			return nil, e.fault("read the variable "+v.Path, err)
		}
		if is != nil {
			out[strings.TrimPrefix(v.Path, prefix)] = []byte(is.Items[itemElector])
		}
	}
	return out, nil
}
