package debian

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// A pkg is the version of a package that apt would install.
type pkg struct {
	name, version, architecture, sha256 string
	depends                             []string
	stanza                              string // as in dpkg's status
}

// fetch gives the packages of a recipe with all that they depend on, and the archive of each, by name.
// What apt knows may be old, or nothing on a new machine: then it is updated, once.
func fetch(ctx context.Context, recipe Recipe, cache string) ([]pkg, []string, error) {
	packages, archives, err := fetchOnce(ctx, recipe, cache)
	if err == nil || ctx.Err() != nil {
		return packages, archives, err
	}
	if _, failed := command(ctx, "", "apt-get", "-qq", "update"); failed != nil {
		return nil, nil, errors.Join(err, failed)
	}
	return fetchOnce(ctx, recipe, cache)
}

func fetchOnce(ctx context.Context, recipe Recipe, cache string) ([]pkg, []string, error) {
	packages, err := closure(ctx, recipe.Packages, recipe.Without)
	if err != nil {
		return nil, nil, err
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return nil, nil, err
	}
	var archives, wanted []string
	for _, p := range packages {
		archive := filepath.Join(cache, fmt.Sprintf("%s_%s_%s.deb", p.name, strings.ReplaceAll(p.version, ":", "%3a"), p.architecture))
		archives = append(archives, archive)
		if sum(archive) != p.sha256 {
			wanted = append(wanted, p.name+"="+p.version)
		}
	}
	if len(wanted) > 0 {
		// The sandbox's user may not write where root builds.
		if _, err := command(ctx, cache, "apt-get", append([]string{"-qq", "-o", "APT::Sandbox::User=root", "download"}, wanted...)...); err != nil {
			return nil, nil, err
		}
	}
	for i, p := range packages {
		if got := sum(archives[i]); got != p.sha256 {
			return nil, nil, fmt.Errorf("%s: SHA-256 %q, want %s", archives[i], got, p.sha256)
		}
	}
	return packages, archives, nil
}

// closure gives the packages and what they depend on, sorted by name. Of alternatives the first is taken.
func closure(ctx context.Context, names, without []string) ([]pkg, error) {
	found := map[string]pkg{}
	for len(names) > 0 {
		out, err := command(ctx, "", "apt-cache", append([]string{"show", "--no-all-versions"}, names...)...)
		if err != nil {
			return nil, fmt.Errorf("%w (a virtual package? Name what provides it in packages, and itself in without)", err)
		}
		var next []string
		for stanza := range strings.SplitSeq(strings.TrimSpace(out), "\n\n") {
			p := parse(stanza)
			found[p.name] = p
			next = append(next, p.depends...)
		}
		for _, name := range names {
			if _, ok := found[name]; !ok {
				return nil, fmt.Errorf("apt knows no package %s", name)
			}
		}
		slices.Sort(next)
		names = slices.DeleteFunc(slices.Compact(next), func(n string) bool {
			_, known := found[n]
			return known || slices.Contains(without, n)
		})
	}
	var packages []pkg
	for _, name := range sortedKeys(found) {
		packages = append(packages, found[name])
	}
	return packages, nil
}

// parse reads one stanza of apt-cache show.
func parse(stanza string) pkg {
	p := pkg{}
	var status strings.Builder
	for line := range strings.SplitSeq(stanza, "\n") {
		key, value, _ := strings.Cut(line, ": ")
		switch key {
		case "Package":
			p.name = value
		case "Version":
			p.version = value
		case "Architecture":
			p.architecture = value
		case "SHA256":
			p.sha256 = value
			continue
		case "Depends", "Pre-Depends":
			for dependency := range strings.SplitSeq(value, ",") {
				first, _, _ := strings.Cut(dependency, "|")
				name, _, _ := strings.Cut(strings.TrimSpace(first), " ")
				name, _, _ = strings.Cut(name, ":")
				p.depends = append(p.depends, name)
			}
		case "Source", "Maintainer", "Description", "Homepage":
		default:
			continue
		}
		status.WriteString(line + "\n")
	}
	p.stanza = status.String() + "Status: install ok installed\n"
	return p
}

// sum gives the SHA-256 of a file in hexadecimal, or "" if it cannot be read.
func sum(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return ""
	}
	return hex.EncodeToString(h.Sum(nil))
}

func command(ctx context.Context, dir, program string, args ...string) (string, error) {
	var out, errs bytes.Buffer
	c := exec.CommandContext(ctx, program, args...)
	c.Dir, c.Stdout, c.Stderr = dir, &out, &errs
	c.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	if err := c.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", program, strings.Join(args, " "), err, strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
