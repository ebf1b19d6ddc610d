package wire_test

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/api"
)

// asks runs a command of the elector's program that asks the elector of a member, and tells what it prints and says.
func (m *member) asks(command string, args ...string) (printed []byte, said string) {
	m.t.Helper()
	cmd := exec.Command(filepath.Join(built.Folder(m.t), "elector"), append([]string{command}, args...)...)
	cmd.Env = append(cmd.Environ(), "PATTERN_CONFIG="+m.file)
	printed, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil {
		require.ErrorAs(m.t, err, &exit)
		require.Equal(m.t, 1, exit.ExitCode())
		said = string(exit.Stderr)
	}
	return printed, said
}

func (m *member) handsOver(args ...string) (is api.HandOver, said string) {
	m.t.Helper()
	printed, said := m.asks("hand-over", append(args, "one")...)
	require.NoError(m.t, json.Unmarshal(printed, &is), said)
	return is, said
}

func TestElectorsHandOverWhenTheyAreAsked(t *testing.T) {
	at := nomad(t)
	all := []*member{start(t, at, "a"), start(t, at, "b"), start(t, at, "c")}
	leader, others := leads(t, all...)

	for _, m := range all {
		printed, said := m.asks("leaders")
		require.Empty(t, said)
		var is map[string]api.Election
		require.NoError(t, json.Unmarshal(printed, &is))
		assert.Equal(t, leader.name, is["one"].Leader)
		assert.Equal(t, m == leader, is["one"].Self)
	}
	_, said := leader.asks("leaders", "two")
	assert.Contains(t, said, `there is no election "two"`)

	t.Run("one that does not lead says who does", func(t *testing.T) {
		is, said := others[0].handsOver()
		assert.Equal(t, api.Elsewhere, is.Outcome)
		assert.Equal(t, leader.name, is.Election.Leader)
		assert.Contains(t, said, leader.name+" leads")
		_, now := leads(t, all...)
		assert.Equal(t, others, now)
	})

	t.Run("to one that there is not", func(t *testing.T) {
		is, said := leader.handsOver("-to", "z")
		assert.Equal(t, api.Unready, is.Outcome)
		assert.Contains(t, said, `there is no member "z"`)
		assert.True(t, leader.says().Self)
	})

	t.Run("to another", func(t *testing.T) {
		was := leader.says().Term
		var is api.HandOver
		require.Eventually(t, func() bool { // the heir may have no session yet
			is, _ = leader.handsOver("-to", others[1].name)
			return is.Outcome != api.Unready
		}, within, tick)
		assert.Equal(t, api.HandedOver, is.Outcome)
		assert.Equal(t, []string{leader.name, others[1].name}, []string{is.From, is.Election.Leader})
		assert.Greater(t, is.Election.Term, was)
		heir := others[1]
		leader, others = leads(t, all...)
		assert.Equal(t, heir, leader)
	})

	t.Run("to the one that leads", func(t *testing.T) {
		was := leader.says().Term
		is, said := others[0].handsOver("-to", leader.name)
		require.Empty(t, said)
		assert.Equal(t, api.HandedOver, is.Outcome)
		assert.Equal(t, was, leader.says().Term, "nothing has changed")
	})

	t.Run("to whoever takes it", func(t *testing.T) {
		is, said := leader.handsOver()
		require.Empty(t, said)
		assert.Equal(t, api.HandedOver, is.Outcome)
		assert.NotEqual(t, leader.name, is.Election.Leader)
		now, _ := leads(t, all...)
		assert.Equal(t, now.name, is.Election.Leader)
		leader = now
	})

	t.Run("to nobody, where there is no other", func(t *testing.T) {
		for _, m := range all {
			if m != leader {
				m.Signal(syscall.SIGKILL)
				<-m.Ended()
			}
		}
		var said string
		require.Eventually(t, func() bool { // they seem to be there until their leases have run out, and it leads again
			var is api.HandOver
			is, said = leader.handsOver()
			return is.Outcome == api.Unready
		}, within, tick)
		assert.Contains(t, said, "no other member is ready to lead")
		assert.True(t, leader.says().Self)
	})
}
