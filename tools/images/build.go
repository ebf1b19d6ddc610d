package main

import (
	"context"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/ko/pkg/build"
	"golang.org/x/mod/modfile"
)

// baseName is what annotations and SBOMs call the base. It lies in no registry.
const baseName = "base.invalid/static:1"

type builder struct {
	root      string // the module
	cache     string // binaries, so that an unchanged one is not linked again
	platforms []string
	version   string
}

// find gives the names of the images in a module: the folders of images/ that hold a main package.
func find(root string) ([]string, error) {
	sources, err := filepath.Glob(filepath.Join(root, "images", "*", "*.go"))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, source := range sources {
		f, err := parser.ParseFile(token.NewFileSet(), source, nil, parser.PackageClauseOnly)
		if err != nil {
			return nil, fmt.Errorf("find images: %w", err)
		}
		if f.Name.Name == "main" && !strings.HasSuffix(source, "_test.go") {
			names = append(names, filepath.Base(filepath.Dir(source)))
		}
	}
	return slices.Compact(names), nil
}

// chosen gives the names that the user picked, or all of them; one that does not exist is an error.
func chosen(all, picked []string) ([]string, error) {
	for _, p := range picked {
		if !slices.Contains(all, p) {
			return nil, fmt.Errorf("no image is called %q; there are: %s", p, strings.Join(all, ", "))
		}
	}
	if len(picked) > 0 {
		return picked, nil
	}
	return all, nil
}

// buildAll builds the picked images (or all) into the layout at dir, in place of what it holds of the same name.
func (b builder) buildAll(ctx context.Context, dir string, picked []string, out io.Writer) error {
	all, err := find(b.root)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return fmt.Errorf("%s holds no folder with a main package", filepath.Join(b.root, "images"))
	}
	names, err := chosen(all, picked)
	if err != nil {
		return err
	}
	l, err := open(dir)
	if err != nil {
		return err
	}
	for _, image := range names {
		begun := time.Now()
		fmt.Fprintln(out, "building", image, "for", strings.Join(b.platforms, ", "))
		result, err := b.build(ctx, image)
		if err != nil {
			return fmt.Errorf("image %s: %w", image, err)
		}
		digest, err := l.put(image, result)
		if err != nil {
			return fmt.Errorf("image %s: write to %s: %w", image, dir, err)
		}
		fmt.Fprintf(out, "%s %s %.1fs\n", image, digest, time.Since(begun).Seconds())
	}
	return l.clean(func(name string) bool { return slices.Contains(all, name) })
}

// build makes one image: an index over the platforms, each manifest with its SBOM attached.
func (b builder) build(ctx context.Context, image string) (build.Result, error) {
	module, err := b.module()
	if err != nil {
		return nil, err
	}
	root, err := filepath.Abs(b.root)
	if err != nil {
		return nil, err
	}
	cache, err := filepath.Abs(b.cache)
	if err != nil {
		return nil, err
	}
	if err := os.Setenv("KOCACHE", cache); err != nil { // ko takes it from nowhere else
		return nil, err
	}
	created, err := creationTime()
	if err != nil {
		return nil, err
	}
	stand, err := base(b.platforms, created)
	if err != nil {
		return nil, fmt.Errorf("base: %w", err)
	}
	ref, err := name.ParseReference(baseName)
	if err != nil {
		return nil, err
	}
	ldflags := []string{"-s", "-w"}
	if b.version != "" {
		ldflags = append(ldflags, "-X", module+"/images/internal/identity.Version="+b.version)
	}
	ko, err := build.NewGo(ctx, root,
		build.WithBaseImages(func(context.Context, string) (name.Reference, build.Result, error) { return ref, stand, nil }),
		build.WithPlatforms(b.platforms...),
		build.WithTrimpath(true),
		build.WithCreationTime(created),
		build.WithKoDataCreationTime(created),
		build.WithUser(User),
		build.WithDefaultLdflags(ldflags),
		// Whatever is set on the machine, the same binary comes out.
		build.WithDefaultEnv([]string{"CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=-mod=readonly -buildvcs=false", "GOEXPERIMENT=", "GOAMD64=v1", "GOARM64=v8.0", "GOFIPS140=off"}),
		build.WithSPDX(b.version),
		build.WithAnnotation("org.opencontainers.image.title", image),
		build.WithAnnotation("org.opencontainers.image.version", b.version),
		build.WithAnnotation("org.opencontainers.image.source", "https://"+module),
	)
	if err != nil {
		return nil, err
	}
	return ko.Build(ctx, build.StrictScheme+module+"/images/"+image)
}

func (b builder) module() (string, error) {
	path := filepath.Join(b.root, "go.mod")
	content, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("-root must be a module: %w", err)
	}
	module := modfile.ModulePath(content)
	if module == "" {
		return "", fmt.Errorf("%s names no module", path)
	}
	return module, nil
}

func creationTime() (v1.Time, error) {
	seconds := int64(0)
	if s := os.Getenv("SOURCE_DATE_EPOCH"); s != "" {
		var err error
		if seconds, err = strconv.ParseInt(s, 10, 64); err != nil {
			return v1.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
		}
	}
	return v1.Time{Time: time.Unix(seconds, 0).UTC()}, nil
}
