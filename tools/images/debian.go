package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/match"

	"github.com/container-patterns/terraform-provider-pattern/tools/images/debian"
)

// buildDebian makes the images of the folders, named as they are, into the layout at dir.
func buildDebian(ctx context.Context, dir, cache string, folders []string, out io.Writer) error {
	created, err := creationTime()
	if err != nil {
		return err
	}
	l, err := open(dir)
	if err != nil {
		return err
	}
	for _, folder := range folders {
		begun, image := time.Now(), filepath.Base(filepath.Clean(folder))
		made, err := debian.Build(ctx, folder, cache, created.Time)
		if err != nil {
			return fmt.Errorf("image %s: %w", image, err)
		}
		digest, err := made.Digest()
		if err != nil {
			return err
		}
		if err := l.ReplaceImage(made, match.Name(image), layout.WithAnnotations(map[string]string{refName: image})); err != nil {
			return fmt.Errorf("image %s: write to %s: %w", image, dir, err)
		}
		fmt.Fprintf(out, "%s %s %.1fs\n", image, digest, time.Since(begun).Seconds())
	}
	return l.clean(func(name string) bool { return name != "" })
}
