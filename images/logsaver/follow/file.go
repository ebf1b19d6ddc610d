// Package follow reads one file in order and once, whatever happens to its name, and notices when it is no longer the
// file that it was: truncated, written anew, or another one on the same inode.
package follow

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// ErrTruncated says that bytes which were read are no longer in the file: it was cut (copytruncate), perhaps grown again.
var ErrTruncated = errors.New("file was truncated")

// ErrOther says that the file is not the one that was followed: the inode was used again.
var ErrOther = errors.New("another file has this inode")

// A Key is what the kernel knows a file by. It is unique only while the file exists.
type Key struct {
	Dev uint64 `json:"dev"`
	Ino uint64 `json:"ino"`
}

// KeyOf takes the key out of what stat returned.
func KeyOf(info os.FileInfo) (Key, bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return Key{}, false
	}
	return Key{Dev: stat.Dev, Ino: stat.Ino}, true
}

// A File is open, and stays readable under any name or none.
type File struct {
	key    Key
	file   *os.File
	head   Print
	tail   []byte // up to TailLen bytes before offset
	offset int64  // of the next byte to read
	size   int64  // when last looked at
}

// Open opens the path if it still leads to the file of that key.
func Open(path string, key Key) (*File, error) {
	// Without O_NONBLOCK, a named pipe that took the file's place would hang us here.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil {
		if got, ok := KeyOf(info); !ok || got != key || !info.Mode().IsRegular() {
			err = fmt.Errorf("%s: %w", path, ErrOther)
		}
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return &File{key: key, file: file, size: info.Size()}, nil
}

// Key is the file's device and inode.
func (f *File) Key() Key { return f.key }

// Offset is where the next Read begins.
func (f *File) Offset() int64 { return f.offset }

// Size is the file's size when it was last looked at.
func (f *File) Size() int64 { return f.size }

// Head is the fingerprint of the first bytes, of as many as have been read so far (at most HeadLen).
func (f *File) Head() Print { return f.head }

// Tail is the fingerprint of the last bytes before the offset.
func (f *File) Tail() Print { return PrintOf(f.tail) }

// MidLine reports whether the byte before the offset is of a line that has not ended: not a line's end, nor the last of a hole.
func (f *File) MidLine() bool {
	if len(f.tail) == 0 {
		return false
	}
	last := f.tail[len(f.tail)-1]
	return last != '\n' && last != 0
}

// Close closes the file; its bytes are gone if it has no name any more.
func (f *File) Close() error { return f.file.Close() }

// Resume moves to an offset that an earlier process reached, if this is the same file: it begins with the bytes of head
// and has the bytes of tail before the offset. Else it returns ErrOther or ErrTruncated.
func (f *File) Resume(offset int64, head, tail Print) error {
	begin := make([]byte, HeadLen)
	n, err := f.readAt(begin, 0)
	if err != nil {
		return err
	}
	if !head.Matches(begin[:n]) {
		if n < head.Len {
			return ErrTruncated
		}
		return ErrOther
	}
	last := make([]byte, tail.Len)
	n, err = f.readAt(last, offset-int64(tail.Len))
	if err != nil {
		return err
	}
	if n < tail.Len || PrintOf(last) != tail {
		return ErrTruncated
	}
	f.offset, f.head, f.tail = offset, head, last
	return nil
}

// Holds reports whether the file has the bytes of head at its beginning and those of tail before the offset, as a copy
// of the followed file would.
func (f *File) Holds(offset int64, head, tail Print) (bool, error) {
	probe := File{key: f.key, file: f.file}
	err := probe.Resume(offset, head, tail)
	if errors.Is(err, ErrOther) || errors.Is(err, ErrTruncated) {
		return false, nil
	}
	return err == nil, err
}

// Begin starts at an offset without a past, such as the present end of a file.
func (f *File) Begin(offset int64) error {
	f.offset = offset
	f.tail = make([]byte, min(TailLen, offset))
	if _, err := f.readAt(f.tail, offset-int64(len(f.tail))); err != nil {
		return err
	}
	f.head = Print{}
	return f.readHead()
}

// Data is where the file's first byte is that is not zero. A writer that does not append goes on where it was after a
// truncation, and leaves a hole before that.
func (f *File) Data() (int64, error) {
	offset, err := unix.Seek(int(f.file.Fd()), 0, unix.SEEK_DATA)
	switch {
	case errors.Is(err, unix.ENXIO):
		return f.size, nil // a hole to its end
	case err != nil:
		offset = 0 // a filesystem that knows no holes
	}
	block := make([]byte, 64<<10)
	for {
		n, err := f.readAt(block, offset)
		if err != nil || n == 0 {
			return offset, err
		}
		if i := bytes.IndexFunc(block[:n], func(r rune) bool { return r != 0 }); i >= 0 {
			return offset + int64(i), nil
		}
		offset += int64(n)
	}
}

// CopyOf reports whether all that is here stands at the same place in the other file, as far as the first and the last
// bytes tell.
func (f *File) CopyOf(other *File) (bool, error) {
	for _, at := range []int64{0, max(f.size-HeadLen, 0)} {
		mine, theirs := make([]byte, min(HeadLen, f.size)), make([]byte, min(HeadLen, f.size))
		n, err := f.readAt(mine, at)
		if err != nil {
			return false, err
		}
		if _, err := other.readAt(theirs[:n], at); err != nil {
			return false, err
		}
		if !bytes.Equal(mine[:n], theirs[:n]) {
			return false, nil
		}
	}
	return true, nil
}

// BeginsAs reports whether the file begins with the bytes of a fingerprint.
func (f *File) BeginsAs(head Print) (bool, error) {
	begin := make([]byte, HeadLen)
	n, err := f.readAt(begin, 0)
	return err == nil && head.Matches(begin[:n]), err
}

// Look asks for the file's size. linked tells whether it still has a name. ErrTruncated if it is shorter than what was read.
func (f *File) Look() (linked bool, err error) {
	info, err := f.file.Stat()
	if err != nil {
		return false, fmt.Errorf("look at %s: %w", f.file.Name(), err)
	}
	stat, _ := info.Sys().(*syscall.Stat_t)
	linked = stat.Nlink > 0
	if info.Size() < f.offset {
		return linked, ErrTruncated
	}
	f.size = info.Size()
	return linked, nil
}

// Intact returns ErrTruncated if the bytes before the offset are no longer those that were read.
func (f *File) Intact() error {
	if _, err := f.Look(); err != nil {
		return err
	}
	last := make([]byte, len(f.tail))
	n, err := f.readAt(last, f.offset-int64(len(last)))
	if err == nil && !bytes.Equal(last[:n], f.tail) {
		err = ErrTruncated
	}
	return err
}

// Read fills the buffer with the bytes from the offset, and returns them. The buffer must have room for TailLen bytes
// more than are wanted: those before the offset are read again, and must not have changed, else ErrTruncated.
func (f *File) Read(buffer []byte) ([]byte, error) {
	before := len(f.tail)
	n, err := f.readAt(buffer, f.offset-int64(before))
	if err != nil {
		return nil, err
	}
	if n < before || !bytes.Equal(buffer[:before], f.tail) {
		return nil, ErrTruncated
	}
	if f.offset == 0 || f.head.Len < HeadLen {
		if err := f.readHead(); err != nil {
			return nil, err
		}
	}
	return buffer[before:n], nil
}

// readHead extends the fingerprint of the first bytes to as many as there are now.
func (f *File) readHead() error {
	begin := make([]byte, HeadLen)
	n, err := f.readAt(begin, 0)
	if err != nil {
		return err
	}
	if !f.head.Matches(begin[:n]) {
		return ErrTruncated
	}
	f.head = PrintOf(begin[:n])
	return nil
}

// Advance moves behind bytes that Read returned.
func (f *File) Advance(taken []byte) {
	f.offset += int64(len(taken))
	f.size = max(f.size, f.offset)
	if len(taken) >= TailLen {
		f.tail = append(f.tail[:0], taken[len(taken)-TailLen:]...)
		return
	}
	f.tail = append(f.tail, taken...)
	if over := len(f.tail) - TailLen; over > 0 {
		f.tail = append(f.tail[:0], f.tail[over:]...)
	}
}

// readAt reads as much as there is; the file's end is no error.
func (f *File) readAt(buffer []byte, offset int64) (int, error) {
	n, err := f.file.ReadAt(buffer, offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return n, fmt.Errorf("read: %w", err)
	}
	return n, nil
}
