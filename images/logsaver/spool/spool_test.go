package spool

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/batch"
)

func some(number int, text string) *batch.Batch {
	return &batch.Batch{
		Source: "web-0", Input: "access", File: "access.log", Stream: "web-0/access/access.log", Identity: "a-1",
		Start: int64(number), End: int64(number + 1), Records: []byte(text), Lines: strings.Count(text, "\n"), Ends: []int{len(text)},
		First: time.Unix(1, 0).UTC(), Last: time.Unix(2, 0).UTC(), Name: fmt.Sprintf("name-%d", number),
	}
}

func TestSpoolIsAQueueThatOutlivesTheProcess(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, 1<<20)
	require.NoError(t, err)
	var put []*batch.Batch
	for i := range 3 {
		b := some(i, strings.Repeat("line\n", i+1))
		_, err := s.Put(b)
		require.NoError(t, err)
		put = append(put, b)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "0000000000000009.batch.new"), []byte("cut off"), 0o600))

	s, err = Open(dir, 1<<20)
	require.NoError(t, err)
	_, lines, bytes, _ := s.Size()
	assert.Equal(t, 6, lines)
	for i := range 3 {
		entry, ok := s.Oldest()
		require.True(t, ok)
		loaded, err := s.Load(entry, nil)
		require.NoError(t, err)
		assert.Equal(t, put[i], loaded, "all of it")
		removed, err := s.Remove(entry)
		require.NoError(t, err)
		assert.True(t, removed)
	}
	removed, err := s.Remove(Entry{sequence: 1})
	require.NoError(t, err)
	assert.False(t, removed, "twice does no harm")
	batches, lines, after, _ := s.Size()
	assert.Zero(t, batches)
	assert.Zero(t, lines)
	assert.Zero(t, after)
	assert.Positive(t, bytes)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, left, "nothing is left on disk, not even of the write that was cut off")
}

func TestSpoolIsBounded(t *testing.T) {
	s, err := Open(t.TempDir(), 3000)
	require.NoError(t, err)
	text := strings.Repeat("x", 999) + "\n"
	first, err := s.Put(some(1, text))
	require.NoError(t, err)
	_, err = s.Put(some(2, text))
	require.NoError(t, err)
	_, err = s.Put(some(3, text))
	require.ErrorIs(t, err, ErrFull)
	_, err = s.Remove(first)
	require.NoError(t, err)
	_, err = s.Put(some(3, text))
	require.NoError(t, err, "there is room again")
}

func TestSpoolKeepsTheLastOfWhatWasSetAside(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, 1<<20)
	require.NoError(t, err)
	var last string
	for i := range 10 {
		entry, err := s.Put(some(i, fmt.Sprintf("line %d\n", i)))
		require.NoError(t, err)
		last, err = s.SetAside(entry)
		require.NoError(t, err)
	}
	batches, _, bytes, _ := s.Size()
	assert.Zero(t, batches)
	assert.Zero(t, bytes)
	data, err := os.ReadFile(last)
	require.NoError(t, err)
	assert.Contains(t, string(data), "line 9\n")
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, left, keepRefused)
	again, err := Open(dir, 1<<20)
	require.NoError(t, err)
	batches, _, _, _ = again.Size()
	assert.Zero(t, batches, "it is not sent again")
}

func TestSpoolTellsOfADamagedEntry(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "0000000000000001.batch"), []byte("no header"), 0o600))
	_, err := Open(dir, 1000)
	require.ErrorContains(t, err, "remove the file")
}
