package discover

import (
	"os"
	"path/filepath"
	"strings"
)

// isPattern reports whether a path segment has anything to match.
func isPattern(segment string) bool { return strings.ContainsAny(segment, `*?[\`) }

// splitGlob separates the fixed directories of an absolute glob from the segments that are matched. The last segment
// always counts as one to match.
func splitGlob(glob string) (fixed string, segments []string) {
	segments = strings.Split(strings.Trim(filepath.Clean(glob), "/"), "/")
	fixed = "/"
	for len(segments) > 1 && !isPattern(segments[0]) {
		fixed = filepath.Join(fixed, segments[0])
		segments = segments[1:]
	}
	return fixed, segments
}

// A listing reads each directory at most once per scan.
type listing map[string][]string

func (l listing) names(dir string) []string {
	if names, ok := l[dir]; ok {
		return names
	}
	var names []string
	// What cannot be read has no files for us; a directory may come later, or be opened to us later.
	if file, err := os.Open(dir); err == nil {
		names, _ = file.Readdirnames(-1)
		_ = file.Close()
	}
	l[dir] = names
	return names
}

// dirs calls yield for each directory in which the last segment is to be matched.
func (l listing) dirs(dir string, segments []string, yield func(dir string)) {
	if len(segments) == 1 {
		yield(dir)
		return
	}
	segment, rest := segments[0], segments[1:]
	switch {
	case segment == "**":
		l.dirs(dir, rest, yield)
		for _, name := range l.names(dir) {
			// No links here: they might lead in a circle.
			if info, err := os.Lstat(filepath.Join(dir, name)); err == nil && info.IsDir() {
				l.dirs(filepath.Join(dir, name), segments, yield)
			}
		}
	case !isPattern(segment):
		l.dirs(filepath.Join(dir, segment), rest, yield)
	default:
		for _, name := range l.names(dir) {
			if ok, _ := filepath.Match(segment, name); !ok {
				continue
			}
			if info, err := os.Stat(filepath.Join(dir, name)); err == nil && info.IsDir() {
				l.dirs(filepath.Join(dir, name), rest, yield)
			}
		}
	}
}
