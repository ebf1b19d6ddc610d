package fault

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestKnownLeavesOutWhatRestsOnUnknownAttributes(t *testing.T) {
	all := List{
		{Path: `main.image`, Message: "is required"},
		{Path: `main.mounts["a"]`, Message: "no such volume", Needs: []string{"volumes"}},
		{Path: `main.images`, Message: "has a like name"},
		{Path: ``, Message: "the whole"},
	}
	for _, c := range []struct {
		name    string
		unknown []string
		want    []int
	}{
		{"nothing is unknown", nil, []int{0, 1, 2, 3}},
		{"the attribute itself", []string{"main.image"}, []int{1, 2}},
		{"what the judgement needs", []string{"volumes"}, []int{0, 2}},
		{"something below what it needs", []string{`volumes["b"].ephemeral.size`}, []int{0, 2}},
		{"the attribute's parent", []string{"main"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var want List
			for _, i := range c.want {
				want = append(want, all[i])
			}
			assert.Equal(t, want, all.Known(c.unknown))
		})
	}
}

func TestErrShowsEveryFaultOnItsLine(t *testing.T) {
	var l List
	assert.NoError(t, l.Err())
	l.Add(Key("sidecars", "a")+".image", "must not be empty")
	l.Add(At("main.ports", 2), "is %d", 7)
	assert.EqualError(t, l.Err(), "sidecars[\"a\"].image: must not be empty\nmain.ports[2]: is 7")
}
