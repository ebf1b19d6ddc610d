package debian

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// unwanted is what no container reads. Copyrights stay: licences ask for it.
var unwanted = []string{"/usr/share/man", "/usr/share/info", "/usr/share/locale", "/usr/share/lintian", "/usr/share/bash-completion", "/usr/share/doc/*/*", "/var/lib/dpkg/info"}

// A node is one entry of the file system.
type node struct {
	header  tar.Header
	content []byte
}

// A tree is a file system to be. Keys are absolute paths.
type tree struct {
	nodes map[string]node
	drop  []string
	keep  []string
}

// merged are the folders that Debian has under /usr since it merged them. Packages of before still say the old names.
var merged = []string{"bin", "lib", "lib32", "lib64", "libx32", "sbin"}

func newTree(drop, keep []string) *tree {
	t := &tree{nodes: map[string]node{}, drop: drop, keep: keep}
	for _, dir := range merged {
		t.nodes["/"+dir] = node{header: tar.Header{Typeflag: tar.TypeSymlink, Mode: 0o777, Linkname: "usr/" + dir}}
	}
	return t
}

// canonical is where a path lies once /usr is merged.
func canonical(p string) string {
	p = path.Clean("/" + p)
	first, _, _ := strings.Cut(p[1:], "/")
	if slices.Contains(merged, first) {
		return "/usr" + p
	}
	return p
}

func (t *tree) dropped(p string) bool {
	return !strings.HasSuffix(p, "/copyright") && (within(p, t.drop) || within(p, unwanted) && !within(p, t.keep))
}

// within tells whether a path, or a folder that it lies in, matches one of the globs.
func within(p string, globs []string) bool {
	for ; p != "/"; p = path.Dir(p) {
		for _, glob := range globs {
			if ok, _ := path.Match(glob, p); ok {
				return true
			}
		}
	}
	return false
}

// addArchive unpacks a package.
func (t *tree) addArchive(ctx context.Context, archive string) error {
	var errs bytes.Buffer
	c := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", archive)
	c.Stderr = &errs
	out, err := c.StdoutPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	if err := t.addTar(out); err != nil {
		return errors.Join(err, c.Wait())
	}
	if _, err := io.Copy(io.Discard, out); err != nil { // padding; dpkg-deb would die of a closed pipe
		return errors.Join(err, c.Wait())
	}
	if err := c.Wait(); err != nil {
		return fmt.Errorf("dpkg-deb --fsys-tarfile %s: %w: %s", archive, err, errs.String())
	}
	return nil
}

func (t *tree) addTar(r io.Reader) error {
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		p := canonical(h.Name)
		if p == "/" || t.dropped(p) {
			continue
		}
		content, err := io.ReadAll(tr)
		if err != nil {
			return err
		}
		n := node{header: tar.Header{Typeflag: h.Typeflag, Mode: h.Mode, Uid: h.Uid, Gid: h.Gid, Linkname: h.Linkname}, content: content}
		if h.Typeflag == tar.TypeLink { // order would matter: a copy does as well
			n = t.nodes[canonical(h.Linkname)]
		}
		t.nodes[p] = n
	}
}

// addFolder lays the files of a folder over what is there, owned by root. Of their modes only the executable bit counts: git keeps no other.
func (t *tree) addFolder(folder string) error {
	if _, err := os.Stat(folder); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return filepath.WalkDir(folder, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		relative, err := filepath.Rel(folder, file)
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		mode := int64(0o644)
		if info.Mode()&0o100 != 0 {
			mode = 0o755
		}
		t.addFile("/"+filepath.ToSlash(relative), mode, content)
		return nil
	})
}

func (t *tree) addFile(p string, mode int64, content []byte) {
	t.nodes[canonical(p)] = node{header: tar.Header{Typeflag: tar.TypeReg, Mode: mode}, content: content}
}

func (t *tree) addLink(p, to string) {
	t.nodes[canonical(p)] = node{header: tar.Header{Typeflag: tar.TypeSymlink, Mode: 0o777, Linkname: to}}
}

func (t *tree) addDirectory(d Directory) error {
	mode, err := strconv.ParseInt(d.Mode, 8, 64)
	if err != nil {
		return fmt.Errorf("directory %s: mode %q is not octal: %w", d.Path, d.Mode, err)
	}
	t.nodes[canonical(d.Path)] = node{header: tar.Header{Typeflag: tar.TypeDir, Mode: mode, Uid: d.Owner, Gid: d.Owner}}
	return nil
}

// resolve follows symbolic links, in every part of a path.
func (t *tree) resolve(p string) (string, bool) {
	done, rest := "/", strings.Split(strings.Trim(path.Clean(p), "/"), "/")
	for hops := 0; len(rest) > 0; {
		next := path.Join(done, rest[0])
		n, ok := t.nodes[next]
		switch {
		case ok && n.header.Typeflag == tar.TypeSymlink:
			if hops++; hops > 40 {
				return "", false
			}
			target := n.header.Linkname
			if !path.IsAbs(target) {
				target = path.Join(done, target)
			}
			done, rest = "/", append(strings.Split(strings.Trim(path.Clean(target), "/"), "/"), rest[1:]...)
		case !ok && len(rest) == 1:
			return "", false
		default:
			done, rest = next, rest[1:]
		}
	}
	return done, true
}

// layer writes the tree as a layer: sorted, with one time for all, so that the same tree is the same bytes.
func (t *tree) layer(created time.Time) (v1.Layer, error) {
	for _, p := range sortedKeys(t.nodes) {
		for dir := path.Dir(p); dir != "/"; dir = path.Dir(dir) {
			if _, ok := t.nodes[dir]; !ok {
				t.nodes[dir] = node{header: tar.Header{Typeflag: tar.TypeDir, Mode: 0o755}}
			}
		}
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, p := range sortedKeys(t.nodes) {
		n := t.nodes[p]
		h := n.header
		h.Name, h.Size, h.ModTime, h.Format = strings.TrimPrefix(p, "/"), int64(len(n.content)), created, tar.FormatPAX
		if h.Typeflag == tar.TypeDir {
			h.Name += "/"
		}
		if err := w.WriteHeader(&h); err != nil {
			return nil, fmt.Errorf("layer: %s: %w", p, err)
		}
		if _, err := w.Write(n.content); err != nil {
			return nil, fmt.Errorf("layer: %s: %w", p, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("layer: %w", err)
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil }, tarball.WithMediaType(types.OCILayer), tarball.WithCompressedCaching)
}
