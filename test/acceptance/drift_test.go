//go:build acceptance

package acceptance

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDriftIsShownAndRepaired(t *testing.T) {
	on(t, func(s *stage) {
		s.runs(with(demo(), object{"main.env": object{"COLOUR": "green"}}))
		s.apply()
		s.disturb(s.T, "web")
		s.scale(s.T, "web", 2)

		require.Equal(s, object{"pattern_sidecar.web": "update"}, asObject(s.plan().Changes))
		s.must("refresh")
		drift := fmt.Sprint(s.instance("web")["drift"])
		assert.Contains(s, drift, "COLOUR", "the variable that a colleague has changed")
		assert.NotContains(s, drift, "red", "variables may be sensitive")
		assert.Regexp(s, `have "?2"?`, drift, "the number of an autoscaler")

		s.apply()
		s.unchanged("after the repair")
		assert.Empty(s, s.instance("web")["drift"])
		assert.EqualValues(s, 1, s.instance("web")["status"].(object)["desired"])
	})
}

func TestAnInstanceThatIsGoneIsMadeAgain(t *testing.T) {
	on(t, func(s *stage) {
		s.runs(demo())
		s.apply()
		s.vanish(s.T, "web")
		require.Equal(s, "create", s.apply().Changes["pattern_sidecar.web"])
		s.unchanged("after it was made again")
	})
}

func asObject(m map[string]string) object {
	o := object{}
	for k, v := range m {
		o[k] = v
	}
	return o
}
