package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/match"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/ko/pkg/build"
	"github.com/sigstore/cosign/v3/pkg/oci"
)

const (
	// refName is OCI's annotation for the name of an entry in a layout.
	refName = "org.opencontainers.image.ref.name"
	// sbomOf says of an SBOM in a layout to which image it belongs.
	sbomOf = "container-patterns.dev/sbom-of"
	spdx   = types.MediaType("application/spdx+json")
)

// A store is an OCI layout that holds one entry for each image, and the image's SBOMs.
type store struct{ layout.Path }

func open(dir string) (store, error) {
	p, err := layout.FromPath(dir)
	if errors.Is(err, os.ErrNotExist) {
		p, err = layout.Write(dir, empty.Index)
	}
	if err != nil {
		return store{}, fmt.Errorf("open the OCI layout %s: %w", dir, err)
	}
	return store{p}, nil
}

// put writes an image and its SBOMs in place of those of the same name.
func (s store) put(image string, result build.Result) (v1.Hash, error) {
	digest, err := result.Digest()
	if err != nil {
		return digest, err
	}
	named := layout.WithAnnotations(map[string]string{refName: image})
	signed := []oci.SignedImage{}
	switch r := result.(type) {
	case oci.SignedImageIndex:
		if err := s.ReplaceIndex(r, match.Name(image), named); err != nil {
			return digest, err
		}
		manifest, err := r.IndexManifest()
		if err != nil {
			return digest, err
		}
		for _, m := range manifest.Manifests {
			one, err := r.SignedImage(m.Digest)
			if err != nil {
				return digest, err
			}
			signed = append(signed, one)
		}
	case oci.SignedImage:
		if err := s.ReplaceImage(r, match.Name(image), named); err != nil {
			return digest, err
		}
		signed = append(signed, r)
	default:
		return digest, fmt.Errorf("ko gave a %T", result)
	}
	if err := s.RemoveDescriptors(match.Annotation(sbomOf, image)); err != nil {
		return digest, err
	}
	for _, one := range signed {
		sbom, err := sbomImage(one)
		if err != nil {
			return digest, fmt.Errorf("SBOM: %w", err)
		}
		if err := s.AppendImage(sbom, layout.WithAnnotations(map[string]string{sbomOf: image})); err != nil {
			return digest, err
		}
	}
	return digest, nil
}

// sbomImage makes of ko's attachment an artifact that refers to the image (OCI 1.1), where registries and scanners look for it.
func sbomImage(image oci.SignedImage) (v1.Image, error) {
	attached, err := image.Attachment("sbom")
	if err != nil {
		return nil, err
	}
	content, err := attached.Payload()
	if err != nil {
		return nil, err
	}
	subject, err := partial.Descriptor(image)
	if err != nil {
		return nil, err
	}
	artifact, err := mutate.AppendLayers(mutate.MediaType(empty.Image, types.OCIManifestSchema1), static.NewLayer(content, spdx))
	if err != nil {
		return nil, err
	}
	bare := v1.Descriptor{MediaType: subject.MediaType, Size: subject.Size, Digest: subject.Digest}
	with, ok := mutate.Subject(mutate.ConfigMediaType(artifact, spdx), bare).(v1.Image)
	if !ok {
		return nil, errors.New("an image with a subject is no image")
	}
	return with, nil
}

// clean removes the images that are not to be kept, and every blob that nothing refers to.
func (s store) clean(keep func(image string) bool) error {
	err := s.RemoveDescriptors(func(d v1.Descriptor) bool {
		return !keep(d.Annotations[refName]) && !keep(d.Annotations[sbomOf])
	})
	if err != nil {
		return fmt.Errorf("clean %s: %w", s.Path, err)
	}
	unused, err := s.GarbageCollect()
	if err != nil {
		return fmt.Errorf("clean %s: %w", s.Path, err)
	}
	for _, blob := range unused {
		if err := s.RemoveBlob(blob); err != nil {
			return fmt.Errorf("clean %s: %w", s.Path, err)
		}
	}
	return nil
}
