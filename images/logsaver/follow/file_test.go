package follow

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func open(t *testing.T, path string) *File {
	info, err := os.Stat(path)
	require.NoError(t, err)
	key, ok := KeyOf(info)
	require.True(t, ok)
	file, err := Open(path, key)
	require.NoError(t, err)
	t.Cleanup(func() { _ = file.Close() })
	return file
}

func write(t *testing.T, path, text string) {
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

func appendTo(t *testing.T, path, text string) {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = file.WriteString(text)
	require.NoError(t, err)
	require.NoError(t, file.Close())
}

// take reads all there is.
func take(t *testing.T, file *File) string {
	window, err := file.Read(make([]byte, 4096))
	require.NoError(t, err)
	file.Advance(window)
	return string(window)
}

func TestFileIsReadOnceUnderAnyName(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	write(t, path, "one\n")
	file := open(t, path)
	assert.Equal(t, "one\n", take(t, file))
	appendTo(t, path, "two\n")
	require.NoError(t, os.Rename(path, path+".1"))
	assert.Equal(t, "two\n", take(t, file))
	appendTo(t, path+".1", "three")
	linked, err := file.Look()
	require.NoError(t, err)
	assert.True(t, linked)
	assert.EqualValues(t, 13, file.Size())
	require.NoError(t, os.Remove(path+".1"))
	linked, err = file.Look()
	require.NoError(t, err)
	assert.False(t, linked, "a removed file has no name")
	assert.Equal(t, "three", take(t, file), "and can still be read")
	assert.True(t, file.MidLine())
}

func TestTruncation(t *testing.T) {
	tests := []struct {
		name, before, after string
		atLook              bool
	}{
		{name: "a shorter file is noticed by its size", before: "one\ntwo\n", after: "x\n", atLook: true},
		{name: "a file that grew again beyond the offset is noticed by its bytes", before: "one\n", after: "another beginning\n"},
		{name: "so is one that begins with the same bytes", before: strings.Repeat("banner ", 50) + "one\n", after: strings.Repeat("banner ", 60) + "\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "app.log")
			write(t, path, test.before)
			file := open(t, path)
			assert.Equal(t, test.before, take(t, file))
			write(t, path, test.after)
			_, err := file.Look()
			if test.atLook {
				require.ErrorIs(t, err, ErrTruncated)
				return
			}
			require.NoError(t, err)
			_, err = file.Read(make([]byte, 4096))
			require.ErrorIs(t, err, ErrTruncated)
		})
	}
}

func TestResume(t *testing.T) {
	const begun = "one\ntwo\n"
	tests := []struct {
		name, now string
		err       error
		rest      string
	}{
		{name: "the same file goes on where it was left", now: begun + "three\n", rest: "three\n"},
		{name: "an inode that was used again is another file", now: "quite another file\n", err: ErrOther},
		{name: "an empty file was truncated", now: "", err: ErrTruncated},
		{name: "a file that begins the same but was written anew was truncated", now: "one\nzwei\nthree\n", err: ErrTruncated},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "app.log")
			write(t, path, "one\n")
			file := open(t, path)
			take(t, file)
			head := file.Head() // of as few bytes as the file had
			assert.Equal(t, 4, head.Len)
			appendTo(t, path, "two\n")
			take(t, file)
			offset, tail := file.Offset(), file.Tail()
			write(t, path, test.now)

			again := open(t, path)
			err := again.Resume(offset, head, tail)
			require.ErrorIs(t, err, test.err)
			if test.err == nil {
				assert.Equal(t, test.rest, take(t, again))
				assert.Greater(t, again.Head().Len, head.Len, "the fingerprint grows with the file")
			}
		})
	}
}

func TestOpenRefusesWhatIsNotTheFile(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a"), "")
	info, err := os.Stat(filepath.Join(dir, "a"))
	require.NoError(t, err)
	key, _ := KeyOf(info)
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600))
	_, err = Open(filepath.Join(dir, "pipe"), key)
	require.ErrorIs(t, err, ErrOther, "and does not wait for a writer")
}
