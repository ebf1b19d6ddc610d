package s3

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWhereABucketIs(t *testing.T) {
	cases := []struct {
		name, url string
		env       map[string]string
		want      string // the address of the object a/b c
		fault     string
	}{
		{name: "Amazon's, by its region", url: "s3://logs?region=eu-central-1", want: "https://logs.s3.eu-central-1.amazonaws.com/a/b%20c"},
		{name: "the region of the environment", url: "s3://logs", env: map[string]string{"AWS_REGION": "cn-north-1"}, want: "https://logs.s3.cn-north-1.amazonaws.com.cn/a/b%20c"},
		{name: "dual stack and FIPS", url: "s3://logs?region=us-gov-west-1&dualstack=true&fips=true", want: "https://logs.s3-fips.dualstack.us-gov-west-1.amazonaws.com/a/b%20c"},
		{name: "another server, the bucket in the path", url: "s3://logs?endpoint=http://minio:9000&use_path_style=true", want: "http://minio:9000/logs/a/b%20c"},
		{name: "another server below a path", url: "s3://logs?endpoint=http://gateway/s3/&use_path_style=true", want: "http://gateway/s3/logs/a/b%20c"},
		{name: "another server without a scheme", url: "s3://logs?endpoint=minio:9000&disable_https=true&use_path_style=true", want: "http://minio:9000/logs/a/b%20c"},
		{name: "the endpoint of the environment", url: "s3://logs?use_path_style=true", env: map[string]string{"AWS_ENDPOINT_URL": "https://store"}, want: "https://store/logs/a/b%20c"},
		{name: "no region", url: "s3://logs", fault: "add region= or set AWS_REGION"},
		{name: "no bucket", url: "s3://?region=x", fault: "s3://name"},
		{name: "a path", url: "s3://logs/sub?region=x", fault: "use bucket.prefix"},
		{name: "an unknown parameter", url: "s3://logs?region=x&acl=public", fault: `unknown parameter "acl"`},
		{name: "what is neither true nor false", url: "s3://logs?region=x&use_path_style=perhaps", fault: "use_path_style must be true or false"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"} {
				t.Setenv(name, c.env[name])
			}
			address, err := url.Parse(c.url)
			require.NoError(t, err)
			b, err := Open(address)
			if c.fault != "" {
				require.ErrorContains(t, err, c.fault)
				return
			}
			require.NoError(t, err)
			request, err := b.request(t.Context(), "PUT", "a/b c", nil, nil, "")
			require.NoError(t, err)
			assert.Equal(t, c.want, request.URL.String())
		})
	}
}
