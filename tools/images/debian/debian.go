// Package debian makes an OCI image of Debian packages, with no container runtime and no change to this machine: the packages
// are downloaded, unpacked, and merged with files of the image's own. Their installation scripts do not run.
//
// An image is a folder: image.yaml (a Recipe) and files/, which is laid over the packages.
package debian

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"sigs.k8s.io/yaml"
)

// A Recipe says what an image is made of.
type Recipe struct {
	// Packages go in with all that they depend on.
	Packages []string `json:"packages"`
	// Without names packages that are left out although something depends on them: what only installation scripts need.
	Without []string `json:"without"`
	// Drop holds globs of paths that are left out ("*" does not match "/"), besides documentation, manuals and translations.
	Drop []string `json:"drop"`
	// Keep holds globs of what is kept of documentation, manuals and translations.
	Keep []string `json:"keep"`
	// Directories are made, whatever the packages say of them.
	Directories []Directory `json:"directories"`
	// Links are symbolic links, by path: those that installation scripts would have made.
	Links map[string]string `json:"links"`

	User       string            `json:"user"`
	Entrypoint []string          `json:"entrypoint"`
	Cmd        []string          `json:"cmd"`
	Env        map[string]string `json:"env"`
	Ports      []int             `json:"ports"`
	StopSignal string            `json:"stopSignal"`
}

// A Directory belongs to somebody.
type Directory struct {
	Path string `json:"path"`
	// Mode in octal, as a string: "0755".
	Mode  string `json:"mode"`
	Owner int    `json:"owner"`
}

// Read reads the recipe of the image in a folder.
func Read(folder string) (Recipe, error) {
	var r Recipe
	path := filepath.Join(folder, "image.yaml")
	content, err := os.ReadFile(path)
	if err != nil {
		return r, err
	}
	if err := yaml.UnmarshalStrict(content, &r); err != nil {
		return r, fmt.Errorf("%s: %w", path, err)
	}
	if len(r.Packages) == 0 || len(r.Entrypoint) == 0 {
		return r, fmt.Errorf("%s: packages and entrypoint must be given", path)
	}
	return r, nil
}

// Build makes the image of a folder for this machine's architecture. Packages are kept in the folder cache.
// The same packages and files give the same digest.
func Build(ctx context.Context, folder, cache string, created time.Time) (v1.Image, error) {
	if runtime.GOOS != "linux" {
		return nil, errors.New("images of Debian packages are made on Debian")
	}
	recipe, err := Read(folder)
	if err != nil {
		return nil, err
	}
	packages, archives, err := fetch(ctx, recipe, cache)
	if err != nil {
		return nil, err
	}
	t := newTree(recipe.Drop, recipe.Keep)
	for i, p := range packages {
		if err := t.addArchive(ctx, archives[i]); err != nil {
			return nil, fmt.Errorf("package %s: %w", p.name, err)
		}
		t.addFile("/var/lib/dpkg/status.d/"+p.name, 0o644, []byte(p.stanza)) // where scanners of images without dpkg look
	}
	if err := t.addFolder(filepath.Join(folder, "files")); err != nil {
		return nil, err
	}
	for _, d := range recipe.Directories {
		if err := t.addDirectory(d); err != nil {
			return nil, err
		}
	}
	for path, to := range recipe.Links {
		t.addLink(path, to)
	}
	for path, to := range recipe.Links {
		if _, ok := t.resolve(path); !ok {
			return nil, fmt.Errorf("links: %s: %s is in no package", path, to)
		}
	}
	if missing := t.missingLibraries(); len(missing) > 0 {
		return nil, fmt.Errorf("libraries that no package brings:\n  %s", strings.Join(missing, "\n  "))
	}
	if _, ok := t.resolve(recipe.Entrypoint[0]); !ok {
		return nil, fmt.Errorf("the entrypoint %s is in no package", recipe.Entrypoint[0])
	}
	layer, err := t.layer(created)
	if err != nil {
		return nil, err
	}
	return recipe.image(layer, v1.Time{Time: created})
}

func (r Recipe) image(layer v1.Layer, created v1.Time) (v1.Image, error) {
	image, err := mutate.Append(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON), mutate.Addendum{
		Layer:   layer,
		History: v1.History{Created: created, CreatedBy: "tools/images/debian", Comment: strings.Join(r.Packages, " ")},
	})
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = "linux", runtime.GOARCH, created
	config.Config = v1.Config{
		User: r.User, Entrypoint: r.Entrypoint, Cmd: r.Cmd, WorkingDir: "/", StopSignal: r.StopSignal,
		Env:          []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
		ExposedPorts: map[string]struct{}{},
	}
	for _, key := range sortedKeys(r.Env) {
		config.Config.Env = append(config.Config.Env, key+"="+r.Env[key])
	}
	for _, port := range r.Ports {
		config.Config.ExposedPorts[fmt.Sprintf("%d/tcp", port)] = struct{}{}
	}
	return mutate.ConfigFile(image, config)
}
