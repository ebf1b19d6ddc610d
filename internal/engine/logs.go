package engine

import (
	"fmt"
	"strings"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// LastLines of a text, of which there may be more, and whose first may be half of one.
func LastLines(text string, lines int, cut bool) []string {
	if cut {
		_, text, _ = strings.Cut(text, "\n")
	}
	text = strings.TrimRight(text, "\r\n")
	if text == "" || lines <= 0 {
		return nil
	}
	all := strings.Split(text, "\n")
	return all[max(0, len(all)-lines):]
}

// Container of a group. The error is ErrNotFound, with the names.
func Container(t *topology.Topology, group, container string) (*topology.Group, *topology.Container, error) {
	for i := range t.Groups {
		g := &t.Groups[i]
		for j := range g.Containers {
			if c := &g.Containers[j]; g.Name == group && c.Name == container {
				return g, c, nil
			}
		}
	}
	return nil, nil, fmt.Errorf("container %q in the group %q of %q: %w", container, group, t.Name, ErrNotFound)
}
