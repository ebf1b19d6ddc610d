package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// A target is where images are pushed to, and what has been: the content of digests.json.
type target struct {
	Repository string            `json:"repository"`
	Tag        string            `json:"tag"`
	Images     map[string]string `json:"images"` // name -> repository/name@digest
}

// push copies the picked images of a layout (or all), with their SBOMs, to a registry, and notes the digests in a file.
// What the registry has already is not sent again.
func push(ctx context.Context, dir string, to target, digests string, picked []string, out io.Writer) error {
	if to.Repository == "" {
		return errors.New("-repository is missing: say where to push, as host:port/prefix")
	}
	l, err := open(dir)
	if err != nil {
		return err
	}
	index, err := l.ImageIndex()
	if err != nil {
		return err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return err
	}
	var all []string
	for _, d := range manifest.Manifests {
		if image := d.Annotations[refName]; image != "" {
			all = append(all, image)
		}
	}
	if len(all) == 0 {
		return fmt.Errorf("%s holds no image: build first", dir)
	}
	names, err := chosen(all, picked)
	if err != nil {
		return err
	}
	to.Images = map[string]string{}
	pusher, err := remote.NewPusher(remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain))
	if err != nil {
		return err
	}
	for _, d := range manifest.Manifests {
		image, sbom := d.Annotations[refName], d.Annotations[sbomOf]
		if !slices.Contains(names, image) && !slices.Contains(names, sbom) {
			continue
		}
		ref, err := to.reference(image, sbom, d.Digest)
		if err != nil {
			return err
		}
		if err := pushOne(ctx, pusher, ref, index, d); err != nil {
			return fmt.Errorf("push %s: %w", ref, err)
		}
		if image != "" {
			to.Images[image] = ref.Context().Digest(d.Digest.String()).String()
			fmt.Fprintln(out, ref, d.Digest)
		}
	}
	content, err := json.MarshalIndent(to, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(digests, append(content, '\n'), 0o644)
}

// reference names an image by its tag, and an SBOM, which nobody asks for by name, by its digest.
func (t target) reference(image, sbom string, digest v1.Hash) (name.Reference, error) {
	if image != "" {
		return name.NewTag(t.Repository + "/" + image + ":" + t.Tag)
	}
	return name.NewDigest(t.Repository + "/" + sbom + "@" + digest.String())
}

func pushOne(ctx context.Context, pusher *remote.Pusher, ref name.Reference, index v1.ImageIndex, d v1.Descriptor) error {
	if d.MediaType.IsIndex() {
		child, err := index.ImageIndex(d.Digest)
		if err != nil {
			return err
		}
		return pusher.Push(ctx, ref, child)
	}
	child, err := index.Image(d.Digest)
	if err != nil {
		return err
	}
	return pusher.Push(ctx, ref, child)
}
