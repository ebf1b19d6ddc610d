// Package folder is where one attempt at an item happens: the input's file, and where outputs are put.
//
//	DIRECTORY/in/NAME      the input, by the last segment of the item's name
//	DIRECTORY/file/NAME    WORK_OUTPUT_FILE: of the same name, because tools tell formats by extensions
//	DIRECTORY/out/         WORK_OUTPUT_DIR
package folder

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"unicode/utf8"
)

// maxFileName is what file systems take.
const maxFileName = 255

// A Folder is removed when its attempt has ended.
type Folder struct {
	path, name string
}

// Make makes a folder that is not there yet. Those below belong to the user of the container alone.
func Make(directory, item string) (*Folder, error) {
	f := &Folder{path: directory, name: FileName(item)}
	for _, dir := range []string{f.path, f.path + "/in", f.path + "/file", f.OutputDir()} {
		if err := syscall.Mkdir(dir, 0o700); err != nil {
			return nil, fmt.Errorf("make the item's folder %s: %w", dir, err)
		}
	}
	return f, nil
}

// Input is the path of the input.
func (f *Folder) Input() string { return f.path + "/in/" + f.name }

// OutputFile is where the one output may be put.
func (f *Folder) OutputFile() string { return f.path + "/file/" + f.name }

// OutputDir is where many may.
func (f *Folder) OutputDir() string { return f.path + "/out" }

// Remove takes the folder away, also what has been made read-only in it.
func (f *Folder) Remove() error {
	if f.removeExpected() {
		return nil
	}
	if os.RemoveAll(f.path) == nil {
		return nil
	}
	_ = filepath.WalkDir(f.path, func(path string, entry os.DirEntry, _ error) error {
		if entry != nil && entry.IsDir() {
			_ = os.Chmod(path, 0o700) //nolint:gosec // to remove it
		}
		return nil
	})
	if err := os.RemoveAll(f.path); err != nil {
		return fmt.Errorf("remove the item's folder: %w", err)
	}
	return nil
}

// removeExpected takes away what is usually there, by as few calls as that needs: RemoveAll looks into each folder first,
// which short commands would feel.
func (f *Folder) removeExpected() bool {
	_ = syscall.Unlink(f.Input())
	_ = syscall.Unlink(f.OutputFile())
	_ = syscall.Rmdir(f.path + "/in")
	_ = syscall.Rmdir(f.path + "/file")
	_ = syscall.Rmdir(f.OutputDir())
	return syscall.Rmdir(f.path) == nil
}

// FileName makes the last segment of an item's name fit to be a file's: its extension is kept.
func FileName(item string) string {
	name := strings.Map(func(r rune) rune {
		if r == 0 || r == '/' {
			return '_'
		}
		return r
	}, path.Base(item))
	if name == "." || name == ".." || name == "" {
		return "item"
	}
	if len(name) <= maxFileName {
		return name
	}
	extension := path.Ext(name)
	if len(extension) > 32 {
		extension = ""
	}
	stem := name[:maxFileName-len(extension)]
	for !utf8.ValidString(stem) && len(stem) > 0 && utf8.ValidString(name) {
		stem = stem[:len(stem)-1]
	}
	return stem + extension
}
