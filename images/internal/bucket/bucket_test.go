package bucket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/container-patterns/terraform-provider-pattern/test/peers"
)

// each kind of bucket, empty.
var kinds = map[string]func(t *testing.T) (url string){
	"folder": func(t *testing.T) string { return "file://" + t.TempDir() },
	"s3": func(t *testing.T) string {
		s := peers.Versitygw(t)
		s.Setenv(t)
		return s.MakeBucket(t, "things")
	},
	"azure": func(t *testing.T) string {
		s := peers.Azurite(t)
		t.Setenv("AZURE_STORAGE_CONNECTION_STRING", s.ConnectionString)
		return s.MakeContainer(t, "things")
	},
	"gcs": func(t *testing.T) string {
		s := peers.FakeGCS(t)
		t.Setenv("STORAGE_EMULATOR_HOST", s.Host)
		return s.MakeBucket(t, "things")
	},
}

func open(t *testing.T, url string) Bucket {
	t.Helper()
	b, err := Open(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, b.Close()) })
	return b
}

func on(t *testing.T, test func(t *testing.T, b Bucket)) {
	for name, make := range kinds {
		t.Run(name, func(t *testing.T) { test(t, open(t, make(t))) })
	}
}

func put(t *testing.T, b Bucket, name, content string) {
	t.Helper()
	require.NoError(t, b.Put(t.Context(), name, strings.NewReader(content), int64(len(content))), name)
}

func get(t *testing.T, b Bucket, name string) string {
	t.Helper()
	r, size, err := b.Get(t.Context(), name)
	require.NoError(t, err, name)
	defer r.Close()
	content, err := io.ReadAll(r)
	require.NoError(t, err, name)
	assert.EqualValues(t, len(content), size)
	return string(content)
}

func names(t *testing.T, b Bucket, prefix, after string) (out []string) {
	t.Helper()
	for o, err := range b.List(t.Context(), prefix, after) {
		require.NoError(t, err)
		out = append(out, o.Name)
	}
	return out
}

func TestWhatIsPutIsGot(t *testing.T) {
	on(t, func(t *testing.T, b Bucket) {
		for _, name := range []string{"a", "folder/b", "with space", "späß/日本", "a+b", "100%", "q?x=1", "sharp#1", "dots..", "..dots"} {
			put(t, b, name, "content of "+name)
			assert.Equal(t, "content of "+name, get(t, b, name))
		}
		put(t, b, "a", "again")
		assert.Equal(t, "again", get(t, b, "a"), "the same name replaces")
		put(t, b, "empty", "")
		assert.Empty(t, get(t, b, "empty"))
		require.NoError(t, b.Put(t.Context(), "unknown", strings.NewReader("of unknown size"), -1))
		assert.Equal(t, "of unknown size", get(t, b, "unknown"))

		_, _, err := b.Get(t.Context(), "missing")
		require.ErrorIs(t, err, ErrNotExist)
		_, _, err = b.Get(t.Context(), "folder")
		require.ErrorIs(t, err, ErrNotExist, "a folder is no object")
		require.NoError(t, b.Delete(t.Context(), "a"))
		require.NoError(t, b.Delete(t.Context(), "a"), "that there is none is no error")
		require.NoError(t, b.Delete(t.Context(), "folder"), "a folder is no object")
		assert.Equal(t, "content of folder/b", get(t, b, "folder/b"))
		_, _, err = b.Get(t.Context(), "folder/b/c")
		require.ErrorIs(t, err, ErrNotExist, "below an object is nothing")
		_, _, err = b.Get(t.Context(), "a")
		assert.ErrorIs(t, err, ErrNotExist)
	})
}

func TestListsAreInOrderOverAllPages(t *testing.T) {
	on(t, func(t *testing.T, b Bucket) {
		var group errgroup.Group
		group.SetLimit(16)
		const n = 2100
		for i := range n {
			group.Go(func() error {
				return b.Put(t.Context(), fmt.Sprintf("many/%04d", i), strings.NewReader("x"), 1)
			})
		}
		require.NoError(t, group.Wait())
		for _, name := range []string{"many-", "many0", "m", "zz/a", "zz-a", "zz.a"} {
			put(t, b, name, "x")
		}
		all := names(t, b, "many/", "")
		require.Len(t, all, n)
		assert.IsIncreasing(t, all)
		assert.Equal(t, all[1234:], names(t, b, "many/", "many/1233"))
		assert.Equal(t, []string{"zz-a", "zz.a", "zz/a"}, names(t, b, "zz", ""), "byte by byte")
		assert.Equal(t, []string{"zz/a"}, names(t, b, "zz", "zz.a"))
		assert.Equal(t, append([]string{"m", "many-"}, append(all, "many0")...), names(t, b, "m", ""))
		assert.Empty(t, names(t, b, "none", ""))
		for o, err := range b.List(t.Context(), "many/", "") {
			require.NoError(t, err)
			assert.EqualValues(t, 1, o.Size)
			assert.False(t, o.Modified.IsZero())
			break // and nothing goes on behind
		}
	})
}

func TestLargeObjectsAreStreams(t *testing.T) {
	on(t, func(t *testing.T, b Bucket) {
		content := make([]byte, 20<<20)
		for i := range content {
			content[i] = byte(rand.IntN(256))
		}
		for name, size := range map[string]int64{"known": int64(len(content)), "unknown": -1} {
			require.NoError(t, b.Put(t.Context(), name, bytes.NewReader(content), size))
			assert.True(t, bytes.Equal(content, []byte(get(t, b, name))), name)
		}
	})
}

// broken ends with an error.
type broken struct{ io.Reader }

var errBroken = errors.New("the body broke off")

func (r broken) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err == io.EOF {
		err = errBroken
	}
	return n, err
}

func TestABodyThatBreaksOffLeavesNothing(t *testing.T) {
	on(t, func(t *testing.T, b Bucket) {
		put(t, b, "was", "there")
		for _, size := range []int{10, 9 << 20} {
			for _, name := range []string{"was", "new"} {
				require.ErrorIs(t, b.Put(t.Context(), name, broken{bytes.NewReader(make([]byte, size))}, -1), errBroken)
				require.Error(t, b.Put(t.Context(), name, bytes.NewReader(make([]byte, size)), int64(size+1)), "shorter than was said")
			}
		}
		assert.Equal(t, []string{"was"}, names(t, b, "", ""))
		assert.Equal(t, "there", get(t, b, "was"))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.Error(t, b.Put(ctx, "new", strings.NewReader("x"), 1))
	})
}

func TestABucketThatIsMissingIsNoMissingObject(t *testing.T) {
	for name, make := range kinds {
		if name == "folder" {
			continue // it is made
		}
		t.Run(name, func(t *testing.T) {
			b := open(t, strings.Replace(make(t), "//things", "//missing", 1))
			_, _, err := b.Get(t.Context(), "a")
			for doing, err := range map[string]error{"put": b.Put(t.Context(), "a", strings.NewReader("x"), 1), "get": err} {
				require.Error(t, err, doing)
				assert.True(t, Permanent(err), "%s: %v", doing, err)
				assert.NotErrorIs(t, err, ErrNotExist, doing)
			}
		})
	}
}

func TestFoldersKeepToThemselves(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "secret"), []byte("x"), 0o600))
	b := open(t, "file://"+filepath.Join(dir, "bucket"))
	for _, name := range []string{"", ".", "..", "../secret", "a/../../secret", "/etc/passwd", "a//b", "a/", unfinished + "x", unfinished + "x/y", "a/" + unfinished + "/b"} {
		assert.Error(t, b.Put(t.Context(), name, strings.NewReader("x"), 1), name)
		_, _, err := b.Get(t.Context(), name)
		assert.Error(t, err, name)
	}
	require.NoError(t, os.Symlink(filepath.Join(dir, "secret"), filepath.Join(dir, "bucket", "link")))
	_, _, err := b.Get(t.Context(), "link")
	require.Error(t, err, "a link that leads out")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "bucket", unfinished+"1"), nil, 0o600))
	require.NoError(t, os.Remove(filepath.Join(dir, "bucket", "link")))
	put(t, b, "a", "x")
	assert.Equal(t, []string{"a"}, names(t, b, "", ""), "what is being written is no object")
	left := filepath.Join(dir, "bucket", unfinished+"1")
	assert.FileExists(t, left)
	require.NoError(t, os.Chtimes(left, time.Time{}, time.Now().Add(-48*time.Hour)))
	names(t, b, "", "")
	assert.NoFileExists(t, left, "what a crash has left goes")
}

func TestFaultsThatStay(t *testing.T) {
	for _, url := range []string{"http://x", "things", "file://host/x", "file:relative", "s3://", "s3://b/path?region=x", "s3://b?region=x&acl=public", "s3://b?region=x&ssetype=none", "%"} {
		_, err := Open(t.Context(), url)
		assert.True(t, err != nil && Permanent(err), "%s: %v", url, err)
	}
	for _, url := range []string{"s3://me:hunter2@b?region=x", "gs://me:hunter2@b", "file://me:hunter2@host/x", "x://me:hunter2@b", "s3://me:hunter2@b:port"} {
		_, err := Open(t.Context(), url)
		require.Error(t, err)
		assert.NotContains(t, err.Error(), "hunter2")
	}
	s := peers.Versitygw(t)
	s.Setenv(t)
	s.MakeBucket(t, "things")
	missing := open(t, s.URL("missing"))
	err := missing.Put(t.Context(), "a", strings.NewReader("x"), 1)
	require.ErrorContains(t, err, "s3://missing/a")
	assert.True(t, Permanent(err), "%v", err)
	for _, err := range missing.List(t.Context(), "", "") {
		assert.True(t, Permanent(err), "%v", err)
	}
	t.Setenv("AWS_SECRET_ACCESS_KEY", "wrong")
	_, _, err = open(t, s.URL("things")).Get(t.Context(), "a")
	assert.True(t, Permanent(err), "%v", err)
	_, _, err = open(t, s.URL("things")+"&anonymous=true").Get(t.Context(), "a")
	assert.True(t, Permanent(err), "%v", err)
}

// cutting passes on so many bytes of answers, then cuts.
func cutting(t *testing.T, to string, after int64) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer in.Close()
				out, err := net.Dial("tcp", to)
				if err != nil {
					return
				}
				defer out.Close()
				go func() { _, _ = io.Copy(out, in) }()
				_, _ = io.CopyN(in, out, after)
			}()
		}
	}()
	return l.Addr().String()
}

func TestAnObjectThatBreaksOffIsNotTakenForItsEnd(t *testing.T) {
	s := peers.Versitygw(t)
	s.Setenv(t)
	b := open(t, s.MakeBucket(t, "things"))
	put(t, b, "large", strings.Repeat("x", 1<<20))
	real := strings.TrimPrefix(s.Endpoint, "http://")
	cut := open(t, strings.Replace(s.URL("things"), real, cutting(t, real, 100<<10), 1))
	r, size, err := cut.Get(t.Context(), "large")
	require.NoError(t, err)
	defer r.Close()
	assert.EqualValues(t, 1<<20, size)
	n, err := io.Copy(io.Discard, r)
	require.Error(t, err)
	assert.Less(t, n, size)
}
