package debian

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"path"
	"strings"
)

// libraryPaths is where Debian's dynamic loader looks.
func libraryPaths(machine elf.Machine) []string {
	triplet := map[elf.Machine]string{elf.EM_X86_64: "x86_64-linux-gnu", elf.EM_AARCH64: "aarch64-linux-gnu"}[machine]
	return []string{"/usr/lib/" + triplet, "/usr/lib", "/usr/lib64"}
}

// missingLibraries says of each program and library what it links that is not in the tree: no installation checked the dependencies, so this does.
func (t *tree) missingLibraries() []string {
	var missing []string
	for _, p := range sortedKeys(t.nodes) {
		n := t.nodes[p]
		if n.header.Typeflag != tar.TypeReg || !bytes.HasPrefix(n.content, []byte(elf.ELFMAG)) {
			continue
		}
		f, err := elf.NewFile(bytes.NewReader(n.content))
		if err != nil {
			continue // no program of this kind: a fragment, or for another loader
		}
		needed, _ := f.ImportedLibraries()
		places := libraryPaths(f.Machine)
		for _, tag := range []elf.DynTag{elf.DT_RUNPATH, elf.DT_RPATH} {
			runs, _ := f.DynString(tag)
			for _, run := range runs {
				places = append(places, strings.Split(strings.ReplaceAll(run, "$ORIGIN", path.Dir(p)), ":")...)
			}
		}
		for _, library := range needed {
			if !t.hasAny(places, library) {
				missing = append(missing, p+" needs "+library)
			}
		}
	}
	return missing
}

func (t *tree) hasAny(places []string, library string) bool {
	for _, place := range places {
		if _, ok := t.resolve(path.Join(place, library)); ok {
			return true
		}
	}
	return false
}
