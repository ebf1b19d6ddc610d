package config

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func with(b Backend) *Config {
	c := &Config{Elections: []string{"one"}, Backend: b}
	c.SetDefaults()
	return c
}

func TestDefaultsOfRaft(t *testing.T) {
	c := with(Backend{Raft: &Raft{Size: 3}})
	require.NoError(t, c.Validate())
	assert.Equal(t, &Raft{
		Listen: ":4041", Advertise: "${PATTERN_ADDRESS}:4041", Slot: "${PATTERN_INDEX}", Size: 3, Peers: "/etc/pattern-peers/electors", DataDir: "/var/lib/elector",
	}, c.Backend.Raft)
}

func TestFaultsOfTheBackend(t *testing.T) {
	for _, test := range []struct {
		name    string
		backend Backend
		faults  []string
	}{
		{"none is one too few", Backend{}, []string{"backend: exactly one of engine, kubernetes, nomad, raft must be set, got 0"}},
		{"two are one too many", Backend{Nomad: &Nomad{Path: "p"}, Raft: &Raft{Size: 3}}, []string{"backend: exactly one of engine, kubernetes, nomad, raft must be set, got 2"}},
		{
			"every fault at once", Backend{Raft: &Raft{Listen: "4041", Advertise: ":4041", Slot: "x", Size: 4, Peers: "peers", DataDir: "data", SecretFile: "secret"}},
			[]string{
				`backend.raft.listen: must be HOST:PORT or :PORT, got "4041"`, `backend.raft.advertise: must be HOST:PORT, where others reach this elector, got ":4041"`,
				"backend.raft.size: must be 3, 5, 7 or 9, of which more than half must live, got 4", `got "x"`,
				`backend.raft.peers: must be an absolute path, got "peers"`, `backend.raft.data_dir: must be an absolute path, got "data"`,
				`backend.raft.secret_file: must be an absolute path, got "secret"`,
			},
		},
		{"one alone is no group", Backend{Raft: &Raft{Size: 1}}, []string{"backend.raft.size: must be 3, 5, 7 or 9, of which more than half must live, got 1"}},
		{"eleven are more than it takes", Backend{Raft: &Raft{Size: 11}}, []string{"backend.raft.size: must be 3, 5, 7 or 9, of which more than half must live, got 11"}},
		{"a slot beyond the size", Backend{Raft: &Raft{Size: 3, Slot: "3"}}, []string{"backend.raft.slot: must be a number from 0 to size-1 (2)"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := with(test.backend).Validate()
			for _, fault := range test.faults {
				assert.ErrorContains(t, err, fault)
			}
		})
	}
}
