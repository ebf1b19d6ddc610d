package s3_test

import (
	"bytes"
	"context"
	"io"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/config"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/sink"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/sink/sinktest"
	"github.com/container-patterns/terraform-provider-pattern/test/peers"
)

func bucket(url, prefix, compression string) config.Sink {
	return config.Sink{Bucket: &config.Bucket{URL: url, Prefix: prefix, Compression: compression}, Timeout: config.Duration(2 * time.Second)}
}

func TestABatchIsAnObjectAndComesAgainAsTheSame(t *testing.T) {
	server := peers.Versitygw(t)
	server.Setenv(t)
	url := server.MakeBucket(t, "logs")
	cases := []struct {
		compression, extension string
		open                   func(io.Reader) (io.Reader, error)
	}{
		{"none", ".log", func(r io.Reader) (io.Reader, error) { return r, nil }},
		{"gzip", ".log.gz", func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }},
		{"zstd", ".log.zst", func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r) }},
	}
	for _, c := range cases {
		t.Run(c.compression, func(t *testing.T) {
			s := sinktest.Open(t, bucket(url, "shop/"+c.compression, c.compression))
			require.NoError(t, s.Check(t.Context()))
			first := sinktest.Batch("sub dir/access+ä~(1).log", 0, sinktest.Lines(5000)...)
			second := sinktest.Batch("sub dir/access+ä~(1).log", first.End, "short", "")
			require.NoError(t, s.Write(t.Context(), first))
			require.NoError(t, s.Write(t.Context(), second))
			before := server.Objects(t, "logs")
			key := "shop/" + c.compression + "/" + first.Name + c.extension
			require.Contains(t, before, key)
			require.Contains(t, before, "shop/"+c.compression+"/"+second.Name+c.extension)
			plain, err := c.open(bytes.NewReader(before[key]))
			require.NoError(t, err)
			content, err := io.ReadAll(plain)
			require.NoError(t, err)
			assert.Equal(t, string(first.Records), string(content))

			require.NoError(t, s.Write(t.Context(), first))
			again := sinktest.Open(t, bucket(url, "shop/"+c.compression, c.compression))
			require.NoError(t, again.Write(t.Context(), second), "another process, after a crash")
			assert.Equal(t, before, server.Objects(t, "logs"), "no object more, no byte different")
		})
	}
}

func TestWhatStaysWrongIsPermanentAndSaysWhatToDo(t *testing.T) {
	server := peers.Versitygw(t)
	server.Setenv(t)
	server.MakeBucket(t, "logs")
	cases := []struct {
		name, bucket string
		env          map[string]string
		says         []string
	}{
		{name: "a bucket that is not there", bucket: "absent", says: []string{"s3://absent", "NoSuchBucket", "make the bucket"}},
		{name: "a wrong secret key", bucket: "logs", env: map[string]string{"AWS_SECRET_ACCESS_KEY": "wrong"}, says: []string{"SignatureDoesNotMatch", "AWS_SECRET_ACCESS_KEY"}},
		{name: "an unknown access key", bucket: "logs", env: map[string]string{"AWS_ACCESS_KEY_ID": "nobody"}, says: []string{"access key", "AWS_ACCESS_KEY_ID"}},
		{name: "no credentials at all", bucket: "logs", env: map[string]string{
			"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "true", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
		}, says: []string{"no credentials", "AWS_ACCESS_KEY_ID"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for name, value := range c.env {
				t.Setenv(name, value)
			}
			s := sinktest.Open(t, bucket(server.URL(c.bucket), "", "none"))
			for doing, err := range map[string]error{
				"check": s.Check(t.Context()),
				"write": s.Write(t.Context(), sinktest.Batch("a.log", 0, "line")),
			} {
				require.Error(t, err, doing)
				assert.True(t, sink.Permanent(err), "%s: %v", doing, err)
				for _, text := range c.says {
					assert.ErrorContains(t, err, text, doing)
				}
				assert.NotContains(t, err.Error(), server.SecretKey)
			}
		})
	}
}

func TestAnAnonymousRequestThatIsRefusedIsPermanent(t *testing.T) {
	server := peers.Versitygw(t)
	url := server.MakeBucket(t, "logs")
	err := sinktest.Open(t, bucket(url+"&anonymous=true", "", "none")).Write(t.Context(), sinktest.Batch("a.log", 0, "line"))
	require.ErrorContains(t, err, "AccessDenied")
	assert.True(t, sink.Permanent(err))
}

func TestAServerThatIsAwayIsTransientAndComesBack(t *testing.T) {
	server := peers.Versitygw(t)
	server.Setenv(t)
	s := sinktest.Open(t, bucket(server.MakeBucket(t, "logs"), "", "none"))
	first := sinktest.Batch("a.log", 0, "line")
	require.NoError(t, s.Write(t.Context(), first))

	server.Kill()
	next := sinktest.Batch("a.log", first.End, "next")
	for _, err := range []error{s.Check(t.Context()), s.Write(t.Context(), next)} {
		require.Error(t, err)
		assert.False(t, sink.Permanent(err), err.Error())
		require.Error(t, err) // refused, or the end of a connection that was kept
	}
	server.Start(t)
	require.NoError(t, s.Check(t.Context()))
	require.NoError(t, s.Write(t.Context(), next))
	assert.Len(t, server.Objects(t, "logs"), 2)
}

func TestAServerThatDoesNotAnswerCostsOneTimeout(t *testing.T) {
	server := peers.Versitygw(t)
	server.Setenv(t)
	s := sinktest.Open(t, bucket(server.MakeBucket(t, "logs"), "", "none"))
	b := sinktest.Batch("a.log", 0, sinktest.Lines(20000)...)
	require.NoError(t, s.Write(t.Context(), b))

	server.Pause(t)
	begin := time.Now()
	err := s.Write(t.Context(), b)
	require.ErrorContains(t, err, "no answer in time")
	assert.False(t, sink.Permanent(err))
	assert.Less(t, time.Since(begin), 4*time.Second)

	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	begin = time.Now()
	require.Error(t, s.Write(ctx, b), "who is told to end does not wait for the timeout")
	assert.Less(t, time.Since(begin), time.Second)
	server.Resume(t)
	require.NoError(t, s.Write(t.Context(), b))
	assert.Len(t, server.Objects(t, "logs"), 1)
}
