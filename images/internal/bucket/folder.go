package bucket

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// unfinished begins the names of files that are being written; a crash may leave one.
const unfinished = ".unfinished-"

// folder keeps objects as files. What Put has answered survives a power cut.
type folder struct {
	path string
	root *os.Root

	mu   sync.Mutex
	made map[string]bool // folders whose names are on disk
}

// maxMade bounds what is remembered; folders beyond it are looked at again.
const maxMade = 4096

func openFolder(_ context.Context, u *url.URL) (Bucket, error) {
	at := filepath.FromSlash(u.Path)
	if u.Host != "" && u.Host != "." && u.Host != "localhost" || !filepath.IsAbs(at) {
		return nil, permanentError{fmt.Errorf("a folder is written as file:///PATH, got %q", u)}
	}
	if err := os.MkdirAll(at, 0o755); err != nil {
		return nil, fmt.Errorf("make the folder of a bucket: %w", err)
	}
	if err := syncFolder(filepath.Dir(at)); err != nil {
		return nil, fmt.Errorf("make the folder of a bucket: %w", err)
	}
	root, err := os.OpenRoot(at)
	if err != nil {
		return nil, fmt.Errorf("open the folder of a bucket: %w", err)
	}
	return &folder{path: at, root: root, made: map[string]bool{}}, nil
}

// check a name: it stays in the folder, and is none of those that are being written.
func check(name string) error {
	if !filepath.IsLocal(filepath.FromSlash(name)) || path.Clean(name) != name || strings.HasPrefix(name, unfinished) || strings.Contains(name, "/"+unfinished) {
		return permanentError{fmt.Errorf("%q is not the name of an object", name)}
	}
	return nil
}

// Put writes a file beside its place, syncs it, renames it, and syncs its folder.
func (f *folder) Put(ctx context.Context, name string, r io.Reader, size int64) (err error) {
	if err := check(name); err != nil {
		return err
	}
	parent := path.Dir(name)
	if err := f.mkdir(parent); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	var random [8]byte
	_, _ = rand.Read(random[:])
	part := path.Join(parent, unfinished+hex.EncodeToString(random[:]))
	w, err := f.root.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		f.forget() // somebody may have taken the folder away
		return fmt.Errorf("write %s: %w", name, err)
	}
	n, err := io.Copy(w, reader{ctx, r})
	if err == nil && size >= 0 && n != size {
		err = io.ErrUnexpectedEOF
	}
	if err == nil {
		err = w.Sync()
	}
	if err = errors.Join(err, w.Close()); err == nil {
		err = f.root.Rename(part, name)
	}
	if err != nil {
		_ = f.root.Remove(part) // the first error is the one to tell
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := syncFolder(filepath.Join(f.path, parent)); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// mkdir makes a folder and all above it, and sees to it that their names are on disk.
func (f *folder) mkdir(at string) error {
	f.mu.Lock()
	known := f.made[at]
	f.mu.Unlock()
	if known || at == "." {
		return nil
	}
	above := path.Dir(at)
	if err := f.mkdir(above); err != nil {
		return err
	}
	if err := f.root.Mkdir(at, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := syncFolder(filepath.Join(f.path, above)); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.made) >= maxMade {
		clear(f.made)
	}
	f.made[at] = true
	return nil
}

func (f *folder) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.made)
}

func syncFolder(at string) error {
	d, err := os.Open(at)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func (f *folder) Get(_ context.Context, name string) (io.ReadCloser, int64, error) {
	if err := check(name); err != nil {
		return nil, 0, err
	}
	r, err := f.root.Open(name)
	if errors.Is(err, syscall.ENOTDIR) { // what would be its folder is an object
		err = fmt.Errorf("%s: %w", name, ErrNotExist)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read: %w", err)
	}
	info, err := r.Stat()
	if err == nil && info.IsDir() {
		err = fmt.Errorf("read %s: %w", name, ErrNotExist)
	}
	if err != nil {
		r.Close()
		return nil, 0, err
	}
	return r, info.Size(), nil
}

// List reads one folder after the other, each sorted.
func (f *folder) List(ctx context.Context, prefix, after string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		f.walk(ctx, ".", prefix, after, yield)
	}
}

// walk a folder whose names are in the order of objects': those of a folder stand where its name with a slash stands.
func (f *folder) walk(ctx context.Context, at, prefix, after string, yield func(Object, error) bool) bool {
	if err := ctx.Err(); err != nil {
		yield(Object{}, err)
		return false
	}
	d, err := f.root.Open(at)
	if errors.Is(err, fs.ErrNotExist) && at != "." {
		return true
	}
	if err != nil {
		yield(Object{}, fmt.Errorf("list: %w", err))
		return false
	}
	entries, err := d.ReadDir(-1)
	d.Close()
	if err != nil {
		yield(Object{}, fmt.Errorf("list: %w", err))
		return false
	}
	key := func(e fs.DirEntry) string {
		name := path.Join(at, e.Name())
		if e.IsDir() {
			name += "/"
		}
		return name
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(key(a), key(b)) })
	for _, e := range entries {
		name := key(e)
		switch {
		case strings.HasPrefix(e.Name(), unfinished):
			f.forgotten(name, e)
			continue
		case e.IsDir():
			// Nothing below begins with the prefix, or all of it comes before.
			if !strings.HasPrefix(name, prefix) && !strings.HasPrefix(prefix, name) || name < after && !strings.HasPrefix(after, name) {
				continue
			}
			if !f.walk(ctx, strings.TrimSuffix(name, "/"), prefix, after, yield) {
				return false
			}
			continue
		case !strings.HasPrefix(name, prefix) || name <= after:
			continue
		}
		info, err := f.root.Stat(name) // links are followed
		if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
			continue
		}
		if err != nil {
			yield(Object{}, fmt.Errorf("list: %w", err))
			return false
		}
		if !yield(Object{Name: name, Size: info.Size(), Modified: info.ModTime()}, nil) {
			return false
		}
	}
	return true
}

// leftTime is how old a file that is being written must be to be what a crash has left.
const leftTime = 24 * time.Hour

// forgotten files that a crash has left are removed whenever somebody comes by.
func (f *folder) forgotten(name string, e fs.DirEntry) {
	if info, err := e.Info(); err == nil && info.Mode().IsRegular() && time.Since(info.ModTime()) > leftTime {
		_ = f.root.Remove(name) // the next who comes by tries again
	}
}

func (f *folder) Delete(_ context.Context, name string) error {
	if err := check(name); err != nil {
		return err
	}
	info, err := f.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || err == nil && info.IsDir() { // a folder is no object
		return nil
	}
	if err == nil {
		err = f.root.Remove(name)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete: %w", err)
	}
	return nil
}

func (f *folder) Close() error { return f.root.Close() }

// reader ends with its context.
type reader struct {
	ctx context.Context
	io.Reader
}

func (r reader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(b)
}
