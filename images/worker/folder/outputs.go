package folder

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
)

// MaxOutputs of one item.
const MaxOutputs = 10000

// An Output is a file that a command has left. It was a regular file when it was looked at.
type Output struct {
	Name string
	Path string
	Size int64
}

// Outputs finds what the command has left, sorted by path. An error says what an output must not be.
func (f *Folder) Outputs(item string) (outputs []Output, err error) {
	add := func(name, path string, info fs.FileInfo) error {
		if !info.Mode().IsRegular() {
			return fmt.Errorf("output %q is %s: outputs are regular files", name, kind(info.Mode()))
		}
		if err := CheckName(name); err != nil {
			return fmt.Errorf("output %q: %w", name, err)
		}
		if len(outputs) == MaxOutputs {
			return fmt.Errorf("there are more than %d outputs", MaxOutputs)
		}
		outputs = append(outputs, Output{Name: name, Path: path, Size: info.Size()})
		return nil
	}
	info, err := os.Lstat(f.OutputFile())
	switch {
	case err == nil:
		if err := add(item, f.OutputFile(), info); err != nil {
			return nil, err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("look for the output: %w", err)
	}
	if asNew(f.OutputDir()) { // as it is for most commands
		return outputs, nil
	}
	err = filepath.WalkDir(f.OutputDir(), func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			if path == f.OutputDir() && errors.Is(err, fs.ErrNotExist) {
				return nil // the command took it away
			}
			return fmt.Errorf("look for outputs: %w", err)
		}
		if entry.IsDir() {
			return nil
		}
		info, err := entry.Info()
		if err != nil {
			return fmt.Errorf("look for outputs: %w", err)
		}
		return add(item+strings.TrimPrefix(path, f.OutputDir()), path, info)
	})
	if err != nil {
		return nil, err
	}
	return outputs, nil
}

// Open opens an output; a link that has taken its place since is refused.
func (o Output) Open() (*os.File, error) {
	file, err := os.OpenFile(o.Path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("output %q: %w", o.Name, err)
	}
	info, err := file.Stat()
	if err == nil && (!info.Mode().IsRegular() || info.Size() != o.Size) {
		err = errors.New("changed after the command had ended")
	}
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("output %q: %w", o.Name, err)
	}
	return file, nil
}

func kind(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeSymlink != 0:
		return "a symbolic link"
	case mode.IsDir():
		return "a folder"
	case mode&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	default:
		return "a device"
	}
}

// CheckName says what the API would say of a name.
func CheckName(name string) error {
	switch {
	case len(name) > api.MaxNameBytes:
		return fmt.Errorf("the name has %d bytes, more than %d", len(name), api.MaxNameBytes)
	case !utf8.ValidString(name):
		return errors.New("the name is not UTF-8")
	case strings.ContainsFunc(name, unicode.IsControl):
		return errors.New("the name has control characters")
	}
	for _, segment := range strings.Split(name, "/") {
		if segment == "" || segment == "." || segment == ".." {
			return errors.New(`the name has a segment that is empty, "." or ".."`)
		}
	}
	return nil
}
