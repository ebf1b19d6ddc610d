package config

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/hashicorp/go-multierror"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// valid is the least that a file must say.
func valid() *Config {
	c := &Config{
		Stage:   "resize",
		Queue:   Queue{EndpointsFile: "/pattern/endpoints/queue", TokenFile: "/pattern/token/token"},
		Command: []string{"/usr/bin/convert", "$(WORK_ITEM_FILE)", "$(WORK_OUTPUT_FILE)"},
	}
	c.SetDefaults()
	return c
}

func TestDefaults(t *testing.T) {
	c := valid()
	require.NoError(t, c.Validate())
	assert.Equal(t, ModeExec, c.Mode)
	assert.Equal(t, 1, c.Concurrency)
	assert.Equal(t, 5*time.Minute, c.Timeout.Std())
	assert.Equal(t, 5*time.Second, c.KillAfter.Std())
	assert.Equal(t, ExitCodes{Done: []int{0}, Retry: []int{75}}, c.ExitCodes)
	assert.Equal(t, "/pattern/work", c.WorkDir)
	assert.Equal(t, "PATTERN_INDEX", c.IndexEnv)
	assert.Equal(t, ":9464", c.Management.Address, "the settings of all images have theirs, too")
	again := *c
	again.SetDefaults()
	assert.Equal(t, *c, again, "what is set stays")
	assert.Error(t, Default().Validate(), "stage, queue and command have no default")
}

func TestTheServersPathIsTheRootUnlessSaid(t *testing.T) {
	c := valid()
	c.Mode, c.HTTP = ModeHTTP, &HTTP{Port: 8080}
	c.SetDefaults()
	require.NoError(t, c.Validate())
	assert.Equal(t, "/", c.HTTP.Path)
}

func TestTheFileReadsBackAsWhatItWas(t *testing.T) {
	c := valid()
	c.Mode, c.HTTP = ModeHTTP, &HTTP{Port: 8080, Path: "/work", ReadyPath: "/ready"}
	data, err := json.Marshal(c)
	require.NoError(t, err)
	var again Config
	require.NoError(t, json.Unmarshal(data, &again))
	assert.Equal(t, *c, again)
}

func TestValidateNamesEachFaultByItsPath(t *testing.T) {
	tests := []struct {
		name  string
		wrong func(c *Config)
		want  []string
	}{
		{name: "no stage", wrong: func(c *Config) { c.Stage = "" }, want: []string{"stage: must be 1 to 63 "}},
		{name: "a stage that is no label", wrong: func(c *Config) { c.Stage = "A/b" }, want: []string{`stage: must be 1 to 63 lower-case letters, digits or dashes, got "A/b"`}},
		{name: "no queue", wrong: func(c *Config) { c.Queue = Queue{} }, want: []string{"queue.endpoints_file: is required", "queue.token_file: is required"}},
		{name: "a relative file", wrong: func(c *Config) { c.Queue.TokenFile = "token" }, want: []string{`queue.token_file: must be an absolute path, got "token"`}},
		{name: "no command", wrong: func(c *Config) { c.Command = nil }, want: []string{"command: is required"}},
		{
			name:  "a command that cannot be",
			wrong: func(c *Config) { c.Command = []string{"", "a\x00b"} },
			want:  []string{"command[0]: is required", "command[1]: must not contain NUL"},
		},
		{name: "an unknown mode", wrong: func(c *Config) { c.Mode = "fork" }, want: []string{`mode: must be exec or http, got "fork"`}},
		{name: "a server without its mode", wrong: func(c *Config) { c.HTTP = &HTTP{Port: 1, Path: "/"} }, want: []string{`http: goes with mode "http", the mode is "exec"`}},
		{name: "a mode without its server", wrong: func(c *Config) { c.Mode = ModeHTTP }, want: []string{`http: is required in mode "http"`}},
		{
			name:  "a server that cannot be reached",
			wrong: func(c *Config) { c.Mode, c.HTTP = ModeHTTP, &HTTP{Port: 70000, Path: "work", ReadyPath: "/a b"} },
			want:  []string{"http.port: must be between 1 and 65535, got 70000", "http.path: must be a path", "http.ready_path: must be a path"},
		},
		{name: "no concurrency", wrong: func(c *Config) { c.Concurrency = -1 }, want: []string{"concurrency: must be between 1 and 1000, got -1"}},
		{name: "times", wrong: func(c *Config) { c.Timeout, c.KillAfter = -1, -1 }, want: []string{"timeout: must be longer than 0s", "kill_after: must not be negative"}},
		{
			name:  "exit codes",
			wrong: func(c *Config) { c.ExitCodes = ExitCodes{Done: []int{0, 256}, Retry: []int{-1, 0}} },
			want:  []string{"exit_codes.done[1]: must be between 0 and 255, got 256", "exit_codes.retry[0]: must be between", "exit_codes.retry[1]: 0 is in exit_codes.done as well"},
		},
		{name: "nothing is ever done", wrong: func(c *Config) { c.ExitCodes.Done = []int{} }, want: []string{"exit_codes.done: must name at least one code"}},
		{name: "a relative folder", wrong: func(c *Config) { c.WorkDir = "work" }, want: []string{`work_dir: must be an absolute path, got "work"`}},
		{name: "no variable", wrong: func(c *Config) { c.IndexEnv = "A-B" }, want: []string{`index_env: must be the name of an environment variable, got "A-B"`}},
		{
			name:  "what all images have",
			wrong: func(c *Config) { c.Management.Address, c.Log.Level = "here", "loud" },
			want:  []string{"management.address: ", "log.level: "},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := valid()
			test.wrong(c)
			err := c.Validate()
			var many *multierror.Error
			require.ErrorAs(t, err, &many)
			require.Len(t, many.Errors, len(test.want), "%v", err)
			for i, want := range test.want {
				assert.Contains(t, many.Errors[i].Error(), want)
			}
		})
	}
}
