package engine

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

func TestLastLinesAreWhole(t *testing.T) {
	for _, c := range []struct {
		name  string
		text  string
		lines int
		cut   bool
		want  []string
	}{
		{"no more than there are", "a\nb\n", 5, false, []string{"a", "b"}},
		{"no more than were asked for", "a\nb\nc\n", 2, false, []string{"b", "c"}},
		{"the half line at the begin is left out", "alf\nb\nc\n", 5, true, []string{"b", "c"}},
		{"one line that is longer than what was read is no line", "alf", 5, true, nil},
		{"an empty line in the middle is one", "a\n\nb\n", 5, false, []string{"a", "", "b"}},
		{"nothing", "", 5, false, nil},
		{"nothing is asked for", "a\n", 0, false, nil},
	} {
		t.Run(c.name, func(t *testing.T) { assert.Equal(t, c.want, LastLines(c.text, c.lines, c.cut)) })
	}
}

func TestAContainerIsFoundByItsGroup(t *testing.T) {
	in := &topology.Topology{Name: "web", Groups: []topology.Group{
		{Name: "queue", Containers: []topology.Container{{Name: "queue"}}},
		{Name: "resize", Containers: []topology.Container{{Name: "logs"}, {Name: "main"}}},
	}}
	g, c, err := Container(in, "resize", "main")
	assert.NoError(t, err)
	assert.Same(t, &in.Groups[1], g)
	assert.Same(t, &in.Groups[1].Containers[1], c)
	_, _, err = Container(in, "queue", "main")
	assert.ErrorIs(t, err, ErrNotFound)
	assert.ErrorContains(t, err, `"main" in the group "queue"`)
}
