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
		Inputs:   []Input{{Name: "app", Paths: []string{"/logs/*.log"}}},
		StateDir: "/state",
		Sink:     Sink{Bucket: &Bucket{URL: "s3://logs?region=eu-central-1"}},
	}
	c.SetDefaults()
	return c
}

func TestDefaults(t *testing.T) {
	c := valid()
	require.NoError(t, c.Validate())
	assert.Equal(t, "/state/spool", c.Spool.Dir)
	assert.Equal(t, []string{".*", "-*"}, c.Inputs[0].Rotated)
	assert.Equal(t, CompressionNone, c.Sink.Bucket.Compression)
	assert.Equal(t, OnFullBlock, c.Spool.OnFull)
	again := *c
	again.SetDefaults()
	assert.Equal(t, *c, again, "what is set stays")
	assert.Error(t, Default().Validate(), "inputs, state_dir and sink have no default")
}

func TestTheFileReadsBackAsWhatItWas(t *testing.T) {
	c := valid()
	c.Inputs[0].Multiline = &Multiline{Preset: PresetJava, MaxLines: 3, Timeout: Duration(time.Second)}
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
		{name: "no inputs", wrong: func(c *Config) { c.Inputs = nil }, want: []string{"inputs: at least one input is required"}},
		{name: "a name that no object name should have", wrong: func(c *Config) { c.Inputs[0].Name = "A/b" }, want: []string{`inputs[0].name: must be 1 to 63 lower-case letters, digits or dashes, got "A/b"`}},
		{name: "a name twice", wrong: func(c *Config) { c.Inputs = append(c.Inputs, c.Inputs[0]) }, want: []string{`inputs[1].name: "app" is already the name of inputs[0]`}},
		{
			name:  "paths",
			wrong: func(c *Config) { c.Inputs[0].Paths = []string{"/ok", "relative", "/bad[", ""} },
			want: []string{
				`inputs[0].paths[1]: must be an absolute path, got "relative"`, `inputs[0].paths[2]: is not a valid glob: "/bad["`,
				"inputs[0].paths[3]: is required",
			},
		},
		{name: "a suffix with a directory", wrong: func(c *Config) { c.Inputs[0].Rotated = []string{"/old/*"} }, want: []string{`inputs[0].rotated[0]: must not contain a slash: a rotation keeps the directory, got "/old/*"`}},
		{name: "an exclusion that is no glob", wrong: func(c *Config) { c.Inputs[0].Exclude = []string{"["} }, want: []string{`inputs[0].exclude[0]: is not a valid glob: "["`}},
		{name: "where to begin", wrong: func(c *Config) { c.Inputs[0].From = "middle" }, want: []string{`inputs[0].from: must be one of beginning, end, got "middle"`}},
		{
			name:  "lengths of lines",
			wrong: func(c *Config) { c.Inputs[0].MaxLineBytes = 8 << 20 },
			want:  []string{"inputs[0].max_line_bytes: 8Mi is above batch.max_bytes (2Mi): no batch could hold such a line"},
		},
		{
			name: "multiline of both kinds",
			wrong: func(c *Config) {
				c.Inputs[0].Multiline = &Multiline{Preset: "java", Pattern: "^x", MaxLines: 2, Timeout: 1}
			},
			want: []string{"inputs[0].multiline: preset and pattern exclude each other"},
		},
		{
			name:  "multiline with faults",
			wrong: func(c *Config) { c.Inputs[0].Multiline = &Multiline{Pattern: "("} },
			want: []string{
				"inputs[0].multiline.pattern: is not a regular expression: error parsing regexp: missing closing ): `(`",
				"inputs[0].multiline.max_lines: must be at least 2, got 0", "inputs[0].multiline.timeout: must be longer than 0s, got 0s",
			},
		},
		{name: "no sink", wrong: func(c *Config) { c.Sink.Bucket = nil }, want: []string{"sink: exactly one of bucket, http, loki and syslog is required, got 0"}},
		{name: "two sinks", wrong: func(c *Config) { c.Sink.HTTP = &HTTP{URL: "https://a", Compression: "none"} }, want: []string{"sink: exactly one of bucket, http, loki and syslog is required, got 2"}},
		{name: "a secret in a URL", wrong: func(c *Config) { c.Sink.Bucket.URL = "s3://me:secret@logs" }, want: []string{"sink.bucket.url: must not carry credentials: use environment variables or files"}},
		{name: "a bucket of an unknown kind", wrong: func(c *Config) { c.Sink.Bucket.URL = "ftp://logs" }, want: []string{"sink.bucket.url: must begin with one of s3://, gs://, azblob://, file://"}},
		{name: "a relative directory", wrong: func(c *Config) { c.Sink.Bucket.URL = "file://logs" }, want: []string{"sink.bucket.url: must be file:///ABSOLUTE/DIRECTORY"}},
		{name: "a prefix that leaves the bucket", wrong: func(c *Config) { c.Sink.Bucket.Prefix = "../x" }, want: []string{`sink.bucket.prefix: must not begin with a slash or contain .., got "../x"`}},
		{
			name: "a secret in a header",
			wrong: func(c *Config) {
				c.Sink = Sink{Timeout: 1, HTTP: &HTTP{URL: "https://a", Compression: "none", Headers: map[string]string{"authorization": "x"}}}
			},
			want: []string{"sink.http.headers: authorization is a secret: use auth instead"},
		},
		{
			name: "two ways to sign in",
			wrong: func(c *Config) {
				c.Sink = Sink{Timeout: 1, Loki: &Loki{URL: "https://a", Compression: "gzip", Labels: map[string]string{"0": ""}, Auth: Auth{Username: "a", BearerTokenFile: "/t"}, TLS: TLS{CertFile: "/c"}}}
			},
			want: []string{
				`sink.loki.labels["0"]: a label is letters, digits and underscores, and begins with no digit`, "sink.loki.auth: bearer_token_file and username exclude each other",
				"sink.loki.auth: username and password_file go together", "sink.loki.tls: cert_file and key_file go together",
			},
		},
		{
			name: "syslog",
			wrong: func(c *Config) {
				c.Sink = Sink{Timeout: 1, Syslog: &Syslog{Address: "host", Transport: "tcp", Facility: "local9", Severity: "info", TLS: TLS{ServerName: "x"}}}
			},
			want: []string{
				`sink.syslog.address: must be HOST:PORT, got "host"`,
				`sink.syslog.facility: must be one of kern, user, mail, daemon, auth, syslog, lpr, news, uucp, cron, authpriv, ftp, ntp, audit, alert, clock, local0, local1, local2, local3, local4, local5, local6, local7, got "local9"`,
				"sink.syslog.tls: has no meaning with transport tcp",
			},
		},
		{
			name: "limits",
			wrong: func(c *Config) {
				c.Batch.MaxBytes, c.Batch.MaxAge, c.Spool.MaxBytes, c.Retry.Max, c.Poll = 1<<30, 0, 1, 1, -1
			},
			want: []string{
				"poll: must be longer than 0s, got -1ns", "batch.max_bytes: must be between 4Ki and 64Mi, got 1Gi", "batch.max_age: must be longer than 0s, got 0s",
				"spool.max_bytes: 1 is below batch.max_bytes (1Gi): no batch would fit", "retry.max: 1ns is below retry.min (250ms)",
			},
		},
		{
			name: "places and words",
			wrong: func(c *Config) {
				c.StateDir, c.Spool.Dir, c.Spool.OnFull, c.Management.Address, c.Management.Profiling, c.Log.Level, c.Shutdown.Grace = "", "x", "y", "z", "w", "v", 0
			},
			want: []string{
				"state_dir: is required", `spool.dir: must be an absolute path, got "x"`, `spool.on_full: must be one of block, drop_oldest, drop_newest, got "y"`,
				`management.address: must be HOST:PORT, got "z"`, `management.profiling: must be one of loopback, anywhere, off, got "w"`,
				`log.level: must be one of debug, info, warn, error, got "v"`, "shutdown.grace: must be longer than 0s, got 0s",
			},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := valid()
			test.wrong(c)
			var all *multierror.Error
			require.ErrorAs(t, c.Validate(), &all)
			var got []string
			for _, err := range all.Errors {
				got = append(got, err.Error())
			}
			assert.Equal(t, test.want, got)
		})
	}
}

func TestUnits(t *testing.T) {
	for text, want := range map[string]Bytes{`"64Mi"`: 64 << 20, `1024`: 1024, `"10k"`: 10_000, `"1Gi"`: 1 << 30, `"512"`: 512} {
		var got Bytes
		require.NoError(t, json.Unmarshal([]byte(text), &got), text)
		assert.Equal(t, want, got)
		data, err := json.Marshal(got)
		require.NoError(t, err)
		var again Bytes
		require.NoError(t, json.Unmarshal(data, &again))
		assert.Equal(t, got, again)
	}
	for _, text := range []string{`"64Miles"`, `"-"`, `"9999999Ti"`, `true`, `1.5`} {
		var got Bytes
		assert.Error(t, json.Unmarshal([]byte(text), &got), text)
	}
	var got Duration
	require.NoError(t, json.Unmarshal([]byte(`"1m30s"`), &got))
	assert.Equal(t, 90*time.Second, got.D())
	assert.ErrorContains(t, json.Unmarshal([]byte(`5`), &got), "write a number with its unit")
	assert.ErrorContains(t, json.Unmarshal([]byte(`"5 s"`), &got), "write a number with its unit")
}
