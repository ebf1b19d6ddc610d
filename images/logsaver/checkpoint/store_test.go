package checkpoint

import (
	"context"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/follow"
)

func TestStoreKeepsTheState(t *testing.T) {
	dir := t.TempDir()
	store, state, err := Open(t.Context(), dir, "web-0")
	require.NoError(t, err)
	assert.Len(t, state.Saver, 10)
	assert.Equal(t, "web-0", state.Source)

	state.Files = []File{{
		Identity: "a-1", Input: "access", Rel: "access.log", Path: "/logs/access.log", Key: follow.Key{Dev: 1, Ino: 2},
		Head: follow.PrintOf([]byte("head")), Tail: follow.PrintOf([]byte("tail")), Offset: 8,
		Pending: []Range{{End: 16, Open: true, First: time.Unix(1, 2).UTC(), Last: time.Unix(3, 4).UTC(), Done: true}},
	}}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		store.Run(ctx, func() (State, uint64) { return state, 7 }, func(err error) { assert.NoError(t, err) })
	}()
	require.NoError(t, store.Sync(t.Context(), 7))
	stop()
	<-ended
	require.NoError(t, store.Close())

	store, again, err := Open(t.Context(), dir, "another-name")
	require.NoError(t, err)
	assert.Equal(t, state, again, "the source too, although the host's name is another one")
	require.NoError(t, store.Close())
}

func TestStoreIsOnlyForOne(t *testing.T) {
	dir := t.TempDir()
	first, _, err := Open(t.Context(), dir, "")
	require.NoError(t, err)
	ctx, stop := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer stop()
	_, _, err = Open(ctx, dir, "")
	require.ErrorContains(t, err, "another log saver uses this state_dir")
	require.NoError(t, first.Close())
	second, _, err := Open(t.Context(), dir, "")
	require.NoError(t, err, "a predecessor that ended leaves no lock behind")
	require.NoError(t, second.Close())
}

func TestStoreRefusesWhatItCannotRead(t *testing.T) {
	tests := []struct{ name, content, want string }{
		{name: "a damaged file names the way out", content: `{"version":`, want: "remove it to begin anew"},
		{name: "a file of a later version is not guessed at", content: `{"version": 99}`, want: "version 99 is not known"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, "checkpoint.json"), []byte(test.content), 0o600))
			_, _, err := Open(t.Context(), dir, "")
			require.ErrorContains(t, err, test.want)
		})
	}
}

func TestSyncWaitsUntilTheDiskTakesIt(t *testing.T) {
	dir := t.TempDir()
	store, state, err := Open(t.Context(), dir, "")
	require.NoError(t, err)
	defer store.Close()
	obstacle := filepath.Join(dir, "checkpoint.json.new")
	require.NoError(t, os.Mkdir(obstacle, 0o700)) // no file can be made under this name
	var failures atomic.Int32
	recovered := make(chan struct{})
	go store.Run(t.Context(), func() (State, uint64) { return state, 1 }, func(err error) {
		if err != nil {
			failures.Add(1)
			return
		}
		close(recovered)
	})
	ctx, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	require.ErrorIs(t, store.Sync(ctx, 1), context.DeadlineExceeded)
	require.Eventually(t, func() bool { return failures.Load() > 0 }, 5*time.Second, time.Millisecond)
	require.NoError(t, os.Remove(obstacle))
	require.NoError(t, store.Sync(t.Context(), 1))
	<-recovered
}
