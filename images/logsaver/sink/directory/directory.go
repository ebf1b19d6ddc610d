// Package directory stores objects as files of a directory, on a local disk or on NFS. A file is there whole or not at all, and once it is acknowledged it survives a power cut.
package directory

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/sink/fault"
)

// unfinished marks a file that is being written. The name goes with the object, so that the next attempt takes the same, and a crash leaves no litter.
const unfinished = ".unfinished-"

// A Directory is a store.
type Directory struct {
	path   string
	create bool
	// made are the directories that are known to be there, and to be on disk.
	made map[string]bool
}

// maxMade bounds what is remembered; directories beyond it are looked at again.
const maxMade = 1024

// Open reads file:///PATH?create_dir=true. The directory must be there, for a volume that is not mounted should be noticed and not filled; create_dir makes it.
func Open(address *url.URL) (*Directory, error) {
	if address.Host != "" && address.Host != "." && address.Host != "localhost" {
		return nil, fmt.Errorf("a directory is written as file:///path, got the host %q", address.Host)
	}
	d := &Directory{path: filepath.FromSlash(address.Path), made: map[string]bool{}}
	if !filepath.IsAbs(d.path) {
		return nil, fmt.Errorf("the directory must be absolute, got %q", d.path)
	}
	for name, values := range address.Query() {
		switch name {
		case "create_dir":
			d.create = values[0] == "true" || values[0] == "1"
		case "no_tmp_dir", "metadata": // of gocloud.dev's driver; here files are always made in place, without side files
		default:
			return nil, fmt.Errorf("unknown parameter %q, must be create_dir", name)
		}
	}
	return d, nil
}

// Put writes a file beside its place, syncs it, renames it into place, and syncs the directory.
func (d *Directory) Put(ctx context.Context, key string, content []byte, _ string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !filepath.IsLocal(key) {
		return fault.Lasting("write", key, errors.New("the name leaves the directory"), "correct the prefix")
	}
	path := filepath.Join(d.path, filepath.FromSlash(key))
	parent := filepath.Dir(path)
	if err := d.ready(); err != nil {
		return err
	}
	if err := d.mkdir(parent); err != nil {
		return classify("make directory", parent, err)
	}
	temporary := filepath.Join(parent, unfinished+filepath.Base(path))
	if err := write(temporary, content); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			d.made = map[string]bool{} // somebody took the directory away
		}
		return classify("write", path, err)
	}
	if err := os.Rename(temporary, path); err != nil {
		return classify("write", path, err)
	}
	if err := syncDirectory(parent); err != nil {
		return classify("sync directory", parent, err)
	}
	return nil
}

// Check tells whether the directory is there and can be written to.
func (d *Directory) Check(context.Context) error {
	if err := d.ready(); err != nil {
		return err
	}
	const mayWrite = 2 // W_OK of access(2)
	if err := syscall.Access(d.path, mayWrite); err != nil {
		return classify("write to", d.path, err)
	}
	return nil
}

// Close has nothing to free.
func (d *Directory) Close() error { return nil }

// ready looks for the directory itself at each write: a volume may go away.
func (d *Directory) ready() error {
	info, err := os.Stat(d.path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && d.create:
		return classify("make directory", d.path, d.mkdirAll(d.path))
	case errors.Is(err, fs.ErrNotExist):
		return fault.Lasting("write to", d.path, err, "mount the volume or make the directory, or add ?create_dir=true to sink.bucket.url")
	case err != nil:
		return classify("write to", d.path, err)
	case !info.IsDir():
		return fault.Lasting("write to", d.path, errors.New("not a directory"), "correct sink.bucket.url")
	}
	return nil
}

// mkdir makes a directory below the store's, and sees to it that its name is on disk.
func (d *Directory) mkdir(path string) error {
	if d.made[path] {
		return nil
	}
	if err := d.mkdirAll(path); err != nil {
		return err
	}
	if len(d.made) >= maxMade {
		d.made = map[string]bool{}
	}
	d.made[path] = true
	return nil
}

// mkdirAll is os.MkdirAll that syncs the parent of each directory that it makes.
func (d *Directory) mkdirAll(path string) error {
	err := os.Mkdir(path, 0o755)
	if errors.Is(err, fs.ErrNotExist) {
		if err := d.mkdirAll(filepath.Dir(path)); err != nil {
			return err
		}
		err = os.Mkdir(path, 0o755)
	}
	if errors.Is(err, fs.ErrExist) {
		if info, statErr := os.Stat(path); statErr == nil && info.IsDir() {
			return nil
		}
		return err
	}
	if err != nil {
		return err
	}
	return syncDirectory(filepath.Dir(path))
}

func write(path string, content []byte) (err error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := file.Close(); err == nil {
			err = closeErr // NFS tells of a full disk here
		}
	}()
	if _, err = file.Write(content); err != nil {
		return err
	}
	return file.Sync()
}

func syncDirectory(path string) error {
	directory, err := os.Open(path)
	if err != nil {
		return err
	}
	defer directory.Close()
	if err := directory.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) { // some file systems cannot, and need not
		return err
	}
	return nil
}

// classify tells what will not change by itself; a full disk, a quota, a lost NFS server may.
func classify(doing, path string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrPermission):
		return fault.Lasting(doing, path, err, "let the container's user write there: fs_group on Kubernetes, the owner of the host volume on Nomad")
	case errors.Is(err, syscall.EROFS):
		return fault.Lasting(doing, path, err, "mount the volume for writing")
	case errors.Is(err, syscall.ENAMETOOLONG), errors.Is(err, syscall.ENOTDIR):
		return fault.Lasting(doing, path, err, "shorten or correct the prefix or the file's path")
	}
	return fault.Transient(doing, strings.TrimSuffix(path, "/"), err)
}
