package payload

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/internal/bucket"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
)

// keeper over a folder, with a clock that the test sets.
func keeper(t *testing.T) (k *Keeper, now *time.Time) {
	t.Helper()
	b, err := bucket.Open(t.Context(), "file://"+t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { b.Close() })
	at := time.Date(2026, 11, 21, 6, 59, 0, 0, time.UTC)
	return New(Options{Bucket: b, Prefix: "p/", Inline: func() int { return 4 }, Now: func() time.Time { return at }}), &at
}

func read(t *testing.T, k *Keeper, p store.Payload) string {
	t.Helper()
	r, err := k.Open(t.Context(), p)
	require.NoError(t, err)
	defer r.Close()
	content, err := io.ReadAll(r)
	require.NoError(t, err)
	assert.EqualValues(t, len(content), r.(interface{ Size() int64 }).Size())
	return string(content)
}

func TestSmallContentStaysInTheStore(t *testing.T) {
	k, _ := keeper(t)
	for _, content := range []string{"", "1234", "12345", strings.Repeat("x", 1<<20)} {
		p, err := k.Keep(t.Context(), strings.NewReader(content))
		require.NoError(t, err)
		assert.EqualValues(t, len(content), p.Size)
		assert.Equal(t, len(content) <= 4, p.Ref == "")
		assert.Equal(t, content, read(t, k, p))
	}
}

func TestABodyThatBreaksOffLeavesNothing(t *testing.T) {
	k, _ := keeper(t)
	broken := errors.New("connection reset")
	for _, n := range []int{2, 4, 100} {
		_, err := k.Keep(t.Context(), io.MultiReader(bytes.NewReader(make([]byte, n)), failing{broken}))
		require.ErrorIs(t, err, broken)
	}
	for object, err := range k.o.Bucket.List(t.Context(), "", "") {
		assert.Failf(t, "something was kept", "%v %v", object, err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestOnlyUploadsAreFound(t *testing.T) {
	k, now := keeper(t)
	p, sum, err := k.Upload(t.Context(), strings.NewReader("content"))
	require.NoError(t, err)
	assert.Equal(t, "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73", sum)
	found, err := k.Find(t.Context(), p.Ref)
	require.NoError(t, err)
	assert.Equal(t, p, found)
	for _, ref := range []string{"", "blob:", "blob:../x", "blob:2026112106/../../etc/passwd", "source:a", "blob:2026112106/" + strings.Repeat("0", 32)} {
		_, err := k.Find(t.Context(), ref)
		assert.ErrorIs(t, err, store.ErrNotFound, ref)
	}
	*now = now.Add(2 * time.Minute)
	_, err = k.Find(t.Context(), p.Ref)
	require.NoError(t, err, "an hour has not passed")
	*now = now.Add(time.Hour)
	_, err = k.Find(t.Context(), p.Ref)
	assert.ErrorIs(t, err, store.ErrNotFound, "the collection may take it from now on")
}

// used is a store in which some references are used.
type used map[string]bool

func (u used) Referenced(_ context.Context, refs []string) (map[string]bool, error) {
	out := maps.Clone(u)
	maps.DeleteFunc(out, func(ref string, _ bool) bool { return !strings.Contains(strings.Join(refs, " "), ref) })
	return out, nil
}

func TestTheCollectionTakesWhatNothingRefersTo(t *testing.T) {
	k, now := keeper(t)
	var refs []string
	for range 3 {
		p, _, err := k.Upload(t.Context(), strings.NewReader("content"))
		require.NoError(t, err)
		refs = append(refs, p.Ref)
	}
	require.NoError(t, k.o.Bucket.Put(t.Context(), "p/of-somebody-else", strings.NewReader("x"), 1))
	for _, step := range []struct {
		after   time.Duration
		deleted int
	}{{0, 0}, {time.Hour, 0}, {30 * time.Minute, 0}, {time.Hour, 2}, {time.Hour, 0}} {
		*now = now.Add(step.after)
		n, err := k.Collect(t.Context(), used{refs[1]: true})
		require.NoError(t, err)
		assert.Equal(t, step.deleted, n, now)
	}
	assert.Equal(t, "content", read(t, k, store.Payload{Ref: refs[1]}))
	_, err := k.Open(t.Context(), store.Payload{Ref: refs[0]})
	assert.ErrorIs(t, err, store.ErrNotFound)
	_, _, err = k.o.Bucket.Get(t.Context(), "p/of-somebody-else")
	assert.NoError(t, err)
}

func TestAFullDiskIsSaid(t *testing.T) {
	assert.ErrorIs(t, space(&os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}), store.ErrNoSpace)
}
