package main

import (
	"archive/tar"
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// User is whom every image runs as: the number that distroless images use, which admission policies know.
const User = "65532:65532"

const certificates = "/etc/ssl/certs/ca-certificates.crt"

// A file of the base. One without content is a folder.
type file struct {
	path    string
	mode    int64
	owner   int
	content string
}

// base makes the image on which the programs stand, for each platform: no shell, no libc, only what a static binary looks for.
func base(platforms []string, created v1.Time) (v1.ImageIndex, error) {
	layer, err := layerOf([]file{
		{path: "/etc", mode: 0o755},
		{path: "/etc/group", mode: 0o644, content: "root:x:0:\nnonroot:x:65532:\n"},
		{path: "/etc/nsswitch.conf", mode: 0o644, content: "hosts: files dns\n"},
		{path: "/etc/passwd", mode: 0o644, content: "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n"},
		{path: "/etc/ssl", mode: 0o755},
		{path: "/etc/ssl/certs", mode: 0o755},
		{path: certificates, mode: 0o644, content: roots()},
		{path: "/home", mode: 0o755},
		{path: "/home/nonroot", mode: 0o700, owner: 65532},
		{path: "/tmp", mode: 0o1777},
	}, created)
	if err != nil {
		return nil, err
	}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, p := range platforms {
		platform, err := v1.ParsePlatform(p)
		if err != nil {
			return nil, fmt.Errorf("platform %q: %w", p, err)
		}
		image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
		image, err = mutate.Append(image, mutate.Addendum{
			Layer:   layer,
			History: v1.History{Created: created, CreatedBy: "tools/images", Comment: "certificates, users, /tmp"},
		})
		if err != nil {
			return nil, err
		}
		config, err := image.ConfigFile()
		if err != nil {
			return nil, err
		}
		config = config.DeepCopy()
		config.OS, config.Architecture, config.Variant, config.Created = platform.OS, platform.Architecture, platform.Variant, created
		config.Config = v1.Config{User: User, WorkingDir: "/", Env: []string{"PATH=/usr/bin:/bin", "SSL_CERT_FILE=" + certificates}}
		if image, err = mutate.ConfigFile(image, config); err != nil {
			return nil, err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: platform}})
	}
	return index, nil
}

// roots gives Mozilla's root certificates as PEM, from a module whose version go.sum pins, so that the machine's own are
// of no influence. A root that Mozilla trusts only in part is left out: PEM cannot say in which.
func roots() string {
	var b bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}) // a Buffer does not fail
		}
	}
	return b.String()
}

func layerOf(files []file, created v1.Time) (v1.Layer, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		h := &tar.Header{
			Name: strings.TrimPrefix(f.path, "/"), Mode: f.mode, Uid: f.owner, Gid: f.owner,
			Size: int64(len(f.content)), ModTime: created.Time, Typeflag: tar.TypeReg, Format: tar.FormatPAX,
		}
		if f.content == "" {
			h.Typeflag, h.Name = tar.TypeDir, h.Name+"/"
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, fmt.Errorf("layer: %s: %w", f.path, err)
		}
		if _, err := io.WriteString(w, f.content); err != nil {
			return nil, fmt.Errorf("layer: %s: %w", f.path, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("layer: %w", err)
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil }, tarball.WithMediaType(types.OCILayer))
}
