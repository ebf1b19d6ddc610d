package settings

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/hashicorp/go-multierror"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWhatIsLeftOutHasADefaultThatIsValid(t *testing.T) {
	var s Settings
	s.SetDefaults()
	require.NoError(t, s.Validate())
	assert.Equal(t, ":9464", s.Management.Address)
	assert.Equal(t, "loopback", s.Management.Profiling)
	assert.Equal(t, 25*time.Second, s.Lifecycle.Grace.Std())
	before := s
	s.SetDefaults()
	assert.Equal(t, before, s, "what is set stays")
}

func TestEveryFaultIsToldWithItsPath(t *testing.T) {
	s := Settings{
		Management: Management{Address: "localhost", Profiling: "somewhere"},
		Log:        Log{Level: "loud", KeepBytes: -1},
		Lifecycle:  Lifecycle{Grace: Duration(time.Second), DrainDelay: Duration(2 * time.Second)},
	}
	err := s.Validate()
	var faults *multierror.Error
	require.ErrorAs(t, err, &faults)
	assert.Len(t, faults.Errors, 5)
	for _, path := range []string{"management.address: ", "management.profiling: ", "log.level: ", "log.keep_bytes: ", "lifecycle.drain_delay: "} {
		assert.ErrorContains(t, err, path)
	}
	s.SetDefaults()
	s.Management.Address = ":70000"
	assert.ErrorContains(t, s.Validate(), `port must be between 0 and 65535, got "70000"`)
}

func TestADurationHasAUnit(t *testing.T) {
	var d Duration
	require.NoError(t, json.Unmarshal([]byte(`"1m30s"`), &d))
	assert.Equal(t, 90*time.Second, d.Std())
	text, err := json.Marshal(d)
	require.NoError(t, err)
	assert.Equal(t, `"1m30s"`, string(text))
	for _, wrong := range []string{`30`, `"30"`, `"soon"`, `{}`} {
		assert.ErrorContains(t, json.Unmarshal([]byte(wrong), &d), "must be a duration", wrong)
	}
}
