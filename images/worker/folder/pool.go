package folder

import (
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
)

// maxFree folders are kept: more than are in use at once at most stages.
const maxFree = 64

// A Pool keeps folders that are as good as new. To make and to remove them costs short commands more than all else, on
// disks that are told of every block that is freed; to rename one costs next to nothing, and whoever still goes by its
// old name finds nothing there. The zero value is ready for use.
type Pool struct {
	mu   sync.Mutex
	free []string
}

// Make gives a folder of a name that was never used before.
func (p *Pool) Make(directory, item string) (*Folder, error) {
	p.mu.Lock()
	var free string
	if n := len(p.free); n > 0 {
		free, p.free = p.free[n-1], p.free[:n-1]
	}
	p.mu.Unlock()
	if free != "" {
		if syscall.Rename(free, directory) == nil {
			return &Folder{path: directory, name: FileName(item)}, nil
		}
		_ = os.RemoveAll(free) // nobody else knows of it
	}
	return Make(directory, item)
}

// Done takes a folder back, or removes it if it is not as it was.
func (p *Pool) Done(f *Folder) error {
	_ = syscall.Unlink(f.Input())
	_ = syscall.Unlink(f.OutputFile())
	if !asNew(f.path+"/in") || !asNew(f.path+"/file") || !asNew(f.OutputDir()) {
		return f.Remove()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.free) >= maxFree {
		return f.Remove()
	}
	p.free = append(p.free, f.path)
	return nil
}

// asNew tells whether a folder is one, is empty, and is its owner's to write.
func asNew(path string) bool {
	d, err := os.OpenFile(path, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return false
	}
	defer d.Close()
	info, err := d.Stat()
	if err != nil || info.Mode() != os.ModeDir|0o700 {
		return false
	}
	_, err = d.Readdirnames(1)
	return errors.Is(err, io.EOF)
}
