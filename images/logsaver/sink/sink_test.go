package sink_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/config"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/sink"
)

func TestNewConnectsToNothingAndRefusesWhatCanNeverWork(t *testing.T) {
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_KEY"} {
		t.Setenv(name, "")
	}
	bucket := func(url string) config.Sink { return config.Sink{Bucket: &config.Bucket{URL: url}} }
	cases := []struct {
		name  string
		sink  config.Sink
		fault string // empty: it is made
	}{
		{name: "a directory that may come later", sink: bucket("file:///volume/that/is/not/there")},
		{name: "a directory on another host", sink: bucket("file://host/logs"), fault: "file:///path"},
		{name: "a directory's unknown parameter", sink: bucket("file:///logs?mode=fast"), fault: `"mode"`},
		{name: "Amazon without a region", sink: bucket("s3://logs"), fault: "AWS_REGION"},
		{name: "Amazon", sink: bucket("s3://logs?region=eu-central-1")},
		{name: "Google", sink: bucket("gs://logs")},
		{name: "Google with a path", sink: bucket("gs://logs/sub"), fault: "bucket.prefix"},
		{name: "Azure without an account", sink: bucket("azblob://logs"), fault: "AZURE_STORAGE_ACCOUNT"},
		{name: "Azure", sink: bucket("azblob://logs?storage_account=shop")},
		{name: "another kind of bucket", sink: bucket("mem://logs"), fault: `"mem"`},
		{name: "another kind of compression", sink: config.Sink{Bucket: &config.Bucket{URL: "gs://logs", Compression: "lzma"}}, fault: "compression"},
		{name: "a server that may come later", sink: config.Sink{HTTP: &config.HTTP{URL: "http://127.0.0.1:1"}}},
		{name: "Loki", sink: config.Sink{Loki: &config.Loki{URL: "http://127.0.0.1:1"}}},
		{name: "syslog", sink: config.Sink{Syslog: &config.Syslog{Address: "127.0.0.1:1"}}},
		{name: "syslog with an unknown facility", sink: config.Sink{Syslog: &config.Syslog{Address: "127.0.0.1:1", Facility: "kitchen"}}, fault: "kitchen"},
		{name: "nothing", sink: config.Sink{}, fault: "exactly one"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			whole := &config.Config{Sink: c.sink}
			whole.SetDefaults()
			s, err := sink.New(t.Context(), whole)
			if c.fault != "" {
				require.ErrorContains(t, err, c.fault)
				return
			}
			require.NoError(t, err)
			assert.NoError(t, s.Close())
		})
	}
}
