package nomad

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestWhyAVolumeHasNoPlace(t *testing.T) {
	taken := `could not place volume "web-data[0]": no node meets constraints: 1 nodes had existing volume, 0 nodes filtered by node pool governance, 0 nodes were infeasible`
	assert.Regexp(t, `^could not place .*infeasible\.\n.* namespace.* another name`, unplaced(taken))
	other := `no node has the plugin "fast"`
	assert.Equal(t, other, unplaced(other))
}
