package sqlite

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
)

func TestASecondServerWaitsForTheFirst(t *testing.T) {
	directory := t.TempDir()
	first, err := Open(t.Context(), directory, options())
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err = Open(ctx, directory, options())
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.ErrorContains(t, err, "another queue server has this directory")

	opened := make(chan error, 1)
	go func() {
		second, err := Open(t.Context(), directory, options())
		if err == nil {
			err = second.Close()
		}
		opened <- err
	}()
	require.NoError(t, first.Close())
	select {
	case err := <-opened:
		assert.NoError(t, err)
	case <-time.After(10 * time.Second):
		t.Fatal("the second server did not open")
	}
}

func TestADamagedFileIsToldWithWhatToDo(t *testing.T) {
	directory := t.TempDir()
	s, err := Open(t.Context(), directory, options())
	require.NoError(t, err)
	fill(t, s, 5000)
	require.NoError(t, s.Close())
	for name, damage := range map[string]func(path string) error{
		"another file": func(path string) error {
			return os.WriteFile(path, []byte("no database, but long enough to be looked at"), 0o600)
		},
		"a smashed start": func(path string) error { return smash(path, 0, 4096) },
	} {
		t.Run(name, func(t *testing.T) {
			copied := t.TempDir()
			data, err := os.ReadFile(filepath.Join(directory, File))
			require.NoError(t, err)
			path := filepath.Join(copied, File)
			require.NoError(t, os.WriteFile(path, data, 0o600))
			require.NoError(t, damage(path))
			_, err = Open(t.Context(), copied, options())
			require.Error(t, err)
			assert.ErrorContains(t, err, path+": the file is damaged")
			assert.ErrorContains(t, err, "restore it")
		})
	}
}

func smash(path string, at, n int64) error {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	noise := make([]byte, n)
	for i := range noise {
		noise[i] = byte(i*i + 1)
	}
	_, err = file.WriteAt(noise, at)
	return err
}

func TestAFullDiskChangesNothingAndEnds(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a small file system needs root")
	}
	directory := t.TempDir()
	require.NoError(t, syscall.Mount("none", directory, "tmpfs", 0, "size=3m"))
	t.Cleanup(func() { assert.NoError(t, syscall.Unmount(directory, 0)) })
	s, err := Open(t.Context(), directory, options())
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	stored := int64(0)
	for ; ; stored++ {
		item := newItem(stored)
		item.Payload.Data = make([]byte, 8000)
		if _, err = s.Enqueue(t.Context(), []store.NewItem{item}); err != nil {
			break
		}
		require.Less(t, stored, int64(1000))
	}
	require.ErrorIs(t, err, store.ErrNoSpace)
	assert.Greater(t, stored, int64(20))
	counted := func(want int64) {
		t.Helper()
		stats, err := s.Stats(t.Context())
		require.NoError(t, err)
		assert.Equal(t, want, stats.Stages["stage"].Counts[api.Waiting])
		items, err := s.List(t.Context(), store.Query{Stage: "stage", Limit: 1000})
		require.NoError(t, err)
		assert.Len(t, items, int(want))
	}
	counted(stored)
	require.NoError(t, syscall.Mount("none", directory, "tmpfs", syscall.MS_REMOUNT, "size=8m"))
	_, err = s.Enqueue(t.Context(), []store.NewItem{newItem(stored)})
	require.NoError(t, err, "there is room again")
	counted(stored + 1)
}

// After an error of the disk the database is opened anew and holds what it acknowledged, and only that.
func TestAnErrorOfTheDiskIsUnknownAndThenOver(t *testing.T) {
	for _, tt := range []struct {
		name string
		// log is what the log's descriptors are in the middle of a transaction.
		log func(path string) (*os.File, error)
	}{
		{"the log cannot be written", os.Open},
		{"the log's writes are lost, and its sync fails", func(string) (*os.File, error) { return os.OpenFile(os.DevNull, os.O_RDWR, 0) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			directory := t.TempDir()
			s, err := Open(t.Context(), directory, options())
			require.NoError(t, err)
			t.Cleanup(func() { assert.NoError(t, s.Close()) })
			fill(t, s, 100)
			item := newItem(100)
			err = s.write(t.Context(), 1, func(w *writer) error {
				if _, err := w.enqueue(&item); err != nil {
					return err
				}
				replace(t, filepath.Join(directory, File+"-wal"), tt.log)
				return nil
			})
			require.ErrorIs(t, err, store.ErrUnavailable)
			stats, err := s.Stats(t.Context())
			require.NoError(t, err)
			assert.EqualValues(t, 100, stats.Stages["stage"].Counts[api.Waiting])
			_, err = s.Enqueue(t.Context(), []store.NewItem{newItem(101)})
			require.NoError(t, err)
			items, err := s.List(t.Context(), store.Query{Stage: "stage", Limit: 1000})
			require.NoError(t, err)
			require.Len(t, items, 101)
			assert.Equal(t, newItem(101).Name, items[100].Name)
			stats, err = s.Stats(t.Context())
			require.NoError(t, err)
			assert.EqualValues(t, 101, stats.Stages["stage"].Counts[api.Waiting])
		})
	}
}

// replace this process' descriptors of a file.
func replace(t *testing.T, path string, open func(path string) (*os.File, error)) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	replaced := 0
	for _, entry := range entries {
		target, err := os.Readlink("/proc/self/fd/" + entry.Name())
		if err != nil || target != path {
			continue
		}
		fd, err := strconv.Atoi(entry.Name())
		require.NoError(t, err)
		file, err := open(path)
		require.NoError(t, err)
		require.NoError(t, syscall.Dup3(int(file.Fd()), fd, syscall.O_CLOEXEC))
		file.Close()
		replaced++
	}
	require.NotZero(t, replaced)
}
