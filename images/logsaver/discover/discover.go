// Package discover finds the files of an input: those that its globs name, and those that a rotation has put away.
package discover

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/config"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/follow"
)

// A Found is a regular file.
type Found struct {
	Input string
	Path  string
	// Rel is the path below the fixed part of the glob; for a file that was rotated, that of the file it was.
	Rel      string
	Key      follow.Key
	Size     int64
	Modified time.Time
	// Rotated tells that only a rotation's suffix led here.
	Rotated bool
}

// compressed are the endings of files that are never read: their bytes are no lines.
var compressed = []string{".gz", ".bz2", ".xz", ".zst", ".lz4", ".Z", ".zip"}

// Scan looks at all inputs. It returns each file once, the one written longest ago first, and the directories where
// files may appear. Files below the skipped directories (the saver's own) are left out.
func Scan(inputs []config.Input, skip ...string) (all []Found, dirs []string) {
	list, seen := listing{}, map[follow.Key]int{}
	for i := range inputs {
		for _, glob := range inputs[i].Paths {
			fixed, segments := splitGlob(glob)
			list.dirs(fixed, segments, func(dir string) {
				if !slices.Contains(dirs, dir) {
					dirs = append(dirs, dir)
				}
				for _, name := range list.names(dir) {
					found, ok := inspect(&inputs[i], fixed, dir, name, segments[len(segments)-1], skip)
					if !ok {
						continue
					}
					// A file with two names goes by the one that the glob itself names, else by the first.
					if at, twice := seen[found.Key]; !twice {
						seen[found.Key] = len(all)
						all = append(all, found)
					} else if all[at].Rotated && !found.Rotated {
						all[at] = found
					}
				}
			})
		}
	}
	slices.SortStableFunc(all, func(a, b Found) int { return a.Modified.Compare(b.Modified) })
	return all, dirs
}

// inspect decides whether a name in a directory is a file of the input.
func inspect(in *config.Input, fixed, dir, name, pattern string, skip []string) (Found, bool) {
	live, rotated, ok := match(name, pattern, in.Rotated)
	path := filepath.Join(dir, name)
	if !ok || excluded(in.Exclude, path, name) || excluded(in.Exclude, filepath.Join(dir, live), live) {
		return Found{}, false
	}
	for _, own := range skip {
		if path == own || strings.HasPrefix(path, own+"/") {
			return Found{}, false
		}
	}
	info, err := os.Stat(path) // follows links: the file behind it counts
	if err != nil || !info.Mode().IsRegular() {
		return Found{}, false
	}
	key, ok := follow.KeyOf(info)
	if !ok {
		return Found{}, false
	}
	rel, err := filepath.Rel(fixed, filepath.Join(dir, live))
	if err != nil {
		return Found{}, false
	}
	return Found{Input: in.Name, Path: path, Rel: rel, Key: key, Size: info.Size(), Modified: info.ModTime(), Rotated: rotated}, true
}

// match reports whether the name is that of a live file, or of one that was put away under one of the suffixes, and
// which live name it had.
func match(name, pattern string, suffixes []string) (live string, rotated, ok bool) {
	if slices.ContainsFunc(compressed, func(ending string) bool { return strings.HasSuffix(name, ending) }) {
		return "", false, false
	}
	if ok, _ := filepath.Match(pattern, name); ok {
		return name, false, true
	}
	for at := len(name) - 1; at > 0; at-- {
		if ok, _ := filepath.Match(pattern, name[:at]); !ok {
			continue
		}
		for _, suffix := range suffixes {
			if ok, _ := filepath.Match(suffix, name[at:]); ok {
				return name[:at], true, true
			}
		}
	}
	return "", false, false
}

func excluded(globs []string, path, name string) bool {
	for _, glob := range globs {
		target := name
		if strings.HasPrefix(glob, "/") {
			target = path
		}
		if ok, _ := filepath.Match(glob, target); ok {
			return true
		}
	}
	return false
}

// Names finds the present path of files whose name is not known any more: by their keys, in the directories given.
func Names(dirs []string, keys map[follow.Key]bool) map[follow.Key]string {
	paths := map[follow.Key]string{}
	list := listing{}
	for _, dir := range dirs {
		for _, name := range list.names(dir) {
			path := filepath.Join(dir, name)
			info, err := os.Stat(path)
			if err != nil || !info.Mode().IsRegular() {
				continue
			}
			if key, ok := follow.KeyOf(info); ok && keys[key] {
				paths[key] = path
			}
		}
	}
	return paths
}
