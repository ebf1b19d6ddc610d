package configfile

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/go-multierror"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/internal/settings"
)

type shared struct {
	Level string `json:"level,omitempty"`
}

type shard struct {
	Host    string            `json:"host"`
	Weight  int               `json:"weight,omitempty"`
	Timeout settings.Duration `json:"timeout,omitempty"`
}

type sample struct {
	shared
	Name   string            `json:"name"`
	Budget float64           `json:"budget,omitempty"`
	Shards []shard           `json:"shards,omitempty"`
	Labels map[string]string `json:"labels,omitempty"`
	Login  *login            `json:"login,omitempty"`
	Bytes  uint8             `json:"bytes,omitempty"`
}

type login struct {
	User   string            `json:"user"`
	Token  string            `json:"token,omitempty" secret:"true"`
	Keys   map[string]string `json:"keys,omitempty" secret:"true"`
	Server string            `json:"server,omitempty"`
}

func (s *sample) SetDefaults() {
	if s.Budget == 0 {
		s.Budget = 0.1
	}
}

func (s *sample) Validate() error {
	var faults *multierror.Error
	if s.Name == "" {
		faults = multierror.Append(faults, assert.AnError)
	}
	return faults.ErrorOrNil()
}

func TestDecode(t *testing.T) {
	cases := []struct {
		name, file string
		faults     []string // empty: it is valid
	}{
		{name: "YAML is read", file: "name: a\nlevel: debug\nshards: [{host: h, weight: 2, timeout: 5s}]\nlabels: {a.b: c}"},
		{name: "JSON is read", file: `{"name": "a", "budget": 1}`},
		{name: "an empty file is no configuration", file: " \n", faults: []string{"the file is empty"}},
		{name: "a field that is there twice is a fault", file: "name: a\nname: b", faults: []string{`already set`}},
		{
			name: "every fault is told at once, with its path",
			file: "nmae: a\nname: 3\nbudget: lots\nshards:\n- host: h\n  wieght: 2\n- host: [x]\n  timeout: 5\n- 7\nlabels: [a]\nlogin: {user: true}\nbytes: 256",
			faults: []string{
				"nmae: unknown field, must be one of budget, bytes, labels, level, login, name, shards",
				"name: must be a string, got the number 3",
				`budget: must be a number, got the string "lots"`,
				"shards[0].wieght: unknown field",
				"shards[1].host: must be a string, got a list",
				`shards[1].timeout: must be a duration such as "30s", got 5`,
				"shards[2]: must be an object, got the number 7",
				"labels: must be an object, got a list",
				"login.user: must be a string, got true",
				"bytes: must be a whole number that is not negative, got the number 256",
			},
		},
		{name: "a key with dots is quoted in the path", file: "name: a\nlabels: {a.b: 1}", faults: []string{`labels["a.b"]: must be a string`}},
		{name: "a name in other letters is another field", file: "Name: a", faults: []string{"Name: unknown field"}},
		{name: "a list is no configuration", file: "- a", faults: []string{"(the whole file): must be an object, got a list"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			err := Decode([]byte(c.file), new(sample))
			if len(c.faults) == 0 {
				require.NoError(t, err)
				return
			}
			require.Error(t, err)
			for _, fault := range c.faults {
				assert.ErrorContains(t, err, fault)
			}
			var many *multierror.Error
			if errors.As(err, &many) {
				assert.Len(t, many.Errors, len(c.faults), err.Error())
			}
		})
	}
}

func TestOpenSetsDefaultsAndValidates(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(path, []byte("name: a"), 0o600))
	config, err := Load[sample](path)
	require.NoError(t, err)
	assert.Equal(t, 0.1, config.Budget)

	require.NoError(t, os.WriteFile(path, []byte("level: info"), 0o600))
	_, err = Load[sample](path)
	require.ErrorIs(t, err, ErrInvalid)
	assert.ErrorContains(t, err, path)

	_, err = Load[sample](path + ".absent")
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestRedact(t *testing.T) {
	config := &sample{
		shared: shared{Level: "info"},
		Name:   "a",
		Shards: []shard{{Host: "h", Timeout: settings.Duration(5e9)}},
		Login: &login{
			User: "u", Token: "t0ken", Keys: map[string]string{"first": "k3y"},
			Server: "https://me:passw0rd@example.org/x",
		},
	}
	assert.Equal(t, map[string]any{
		"level":  "info",
		"name":   "a",
		"shards": []any{map[string]any{"host": "h", "timeout": settings.Duration(5e9)}},
		"login": map[string]any{
			"user": "u", "token": "(redacted)", "keys": map[string]any{"first": "(redacted)"},
			"server": "https://me:redacted@example.org/x",
		},
	}, Redact(config))
}
