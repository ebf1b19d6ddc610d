package server

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/config"
	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/contract"
)

// shardsSegment of a path's template is where shards are named.
const shardsSegment = "{shards}"

// An asker finds out which shards a request is for. A parent is told by the level above, a root by the client.
type asker struct {
	header string   // that names them, or
	path   []string // segments of the template
	shards int
}

func newAsker(c *config.Config) asker {
	a := asker{shards: c.Shards}
	if p := c.Policy.Prune; c.Node.Level > 0 {
		a.header = contract.HeaderAsk
	} else if p != nil {
		if a.header = p.Header; p.Path != "" {
			a.path = strings.Split(strings.Trim(p.Path, "/"), "/")
		}
	}
	return a
}

// asked gives the shards that are asked for; nil is all.
func (a asker) asked(r *http.Request, own map[int]bool) (map[int]bool, error) {
	text, where := r.Header.Get(a.header), a.header
	if a.path != nil {
		text, where = a.named(r.URL.Path), "the path"
	}
	if text == "" {
		return nil, nil
	}
	list, err := contract.ParseShards(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", where, err)
	}
	out := make(map[int]bool, len(list))
	for _, shard := range list {
		if shard >= a.shards {
			return nil, fmt.Errorf("%s: there is no shard %d, only 0 to %d", where, shard, a.shards-1)
		}
		if own[shard] {
			out[shard] = true
		}
	}
	return out, nil
}

// named finds the segment that names shards.
func (a asker) named(path string) string {
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	if len(segments) < len(a.path) {
		return ""
	}
	found := ""
	for i, want := range a.path {
		switch {
		case want == shardsSegment:
			found = segments[i]
		case want != segments[i]:
			return ""
		}
	}
	return found
}
