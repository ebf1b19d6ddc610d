package main

import (
	"archive/tar"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/match"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var both = []string{"linux/amd64", "linux/arm64"}

// built builds a copy of the test module, in a folder of its own, into a layout.
func built(t *testing.T, version string, platforms []string) (dir string) {
	t.Helper()
	root, dir := t.TempDir(), t.TempDir()
	require.NoError(t, os.CopyFS(root, os.DirFS("testdata/module")))
	b := builder{root: root, cache: t.TempDir(), platforms: platforms, version: version}
	require.NoError(t, b.buildAll(t.Context(), dir, nil, io.Discard))
	return dir
}

// entry gives the descriptors of a layout that the matcher picks.
func entries(t *testing.T, dir string, m match.Matcher) (v1.ImageIndex, []v1.Descriptor) {
	t.Helper()
	l, err := open(dir)
	require.NoError(t, err)
	index, err := l.ImageIndex()
	require.NoError(t, err)
	found, err := partial.FindManifests(index, m)
	require.NoError(t, err)
	return index, found
}

func manifests(t *testing.T, dir, image string) []v1.Image {
	t.Helper()
	index, found := entries(t, dir, match.Name(image))
	require.Len(t, found, 1)
	multi, err := index.ImageIndex(found[0].Digest)
	require.NoError(t, err)
	m, err := multi.IndexManifest()
	require.NoError(t, err)
	var images []v1.Image
	for _, d := range m.Manifests {
		image, err := multi.Image(d.Digest)
		require.NoError(t, err)
		images = append(images, image)
	}
	return images
}

// files gives the content of an image by path, "" for a folder, and the modes.
func files(t *testing.T, image v1.Image) (map[string]string, map[string]*tar.Header) {
	t.Helper()
	contents, headers := map[string]string{}, map[string]*tar.Header{}
	r := mutate.Extract(image)
	defer r.Close()
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return contents, headers
		}
		require.NoError(t, err)
		content, err := io.ReadAll(tr)
		require.NoError(t, err)
		path := filepath.Clean("/" + h.Name)
		contents[path], headers[path] = string(content), h
	}
}

func TestFindTakesFoldersThatHoldAProgram(t *testing.T) {
	names, err := find("testdata/module")
	require.NoError(t, err)
	assert.Equal(t, []string{"hello"}, names)
}

func TestAnImageThatDoesNotExistIsRefusedWithTheNamesOfThoseThatDo(t *testing.T) {
	b := builder{root: "testdata/module", cache: t.TempDir(), platforms: both}
	err := b.buildAll(t.Context(), t.TempDir(), []string{"helo"}, io.Discard)
	assert.EqualError(t, err, `no image is called "helo"; there are: hello`)
}

func TestAnImageHoldsOneProgramForEachPlatform(t *testing.T) {
	dir := built(t, "1.2.3", both)
	var platforms []string
	for _, image := range manifests(t, dir, "hello") {
		config, err := image.ConfigFile()
		require.NoError(t, err)
		platforms = append(platforms, config.Platform().String())
		assert.Equal(t, "65532:65532", config.Config.User)
		assert.Equal(t, []string{"/ko-app/hello"}, config.Config.Entrypoint)

		contents, headers := files(t, image)
		assert.NotContains(t, contents, "/bin/sh")
		assert.Equal(t, int64(0o1777), headers["/tmp"].Mode&0o7777)
		assert.Equal(t, 65532, headers["/home/nonroot"].Uid)
		assert.Contains(t, contents["/etc/passwd"], "nonroot:x:65532:65532")
		assert.True(t, x509.NewCertPool().AppendCertsFromPEM([]byte(contents[certificates])), "root certificates")
		assert.Contains(t, contents["/ko-app/hello"], "1.2.3", "the version is in the program")
	}
	assert.Equal(t, both, platforms)
}

func TestTheSameSourcesGiveTheSameDigestInAnotherFolder(t *testing.T) {
	_, first := entries(t, built(t, "1", both), match.Name("hello"))
	t.Setenv("GOFLAGS", "-buildvcs=true")
	t.Setenv("CGO_ENABLED", "1")
	t.Setenv("GOAMD64", "v3")
	_, again := entries(t, built(t, "1", both), match.Name("hello"))
	_, other := entries(t, built(t, "2", both), match.Name("hello"))
	assert.Equal(t, first[0].Digest, again[0].Digest)
	assert.NotEqual(t, first[0].Digest, other[0].Digest, "another version is another image")
}

// The project's own images, as they are: whatever they link keeps to the promise too.
func TestTheProjectsImagesAreReproducible(t *testing.T) {
	const project = "../.."
	names, err := find(project)
	require.NoError(t, err)
	require.NotEmpty(t, names)
	elsewhere := t.TempDir()
	for _, part := range []string{"images", "internal"} {
		require.NoError(t, os.CopyFS(filepath.Join(elsewhere, part), os.DirFS(filepath.Join(project, part))))
	}
	for _, part := range []string{"go.mod", "go.sum"} {
		content, err := os.ReadFile(filepath.Join(project, part))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(elsewhere, part), content, 0o644))
	}
	digests := func(root string) map[string]v1.Hash {
		dir := t.TempDir()
		b := builder{root: root, cache: t.TempDir(), platforms: []string{"linux/" + runtime.GOARCH}, version: "1"}
		require.NoError(t, b.buildAll(t.Context(), dir, nil, io.Discard))
		found := map[string]v1.Hash{}
		_, all := entries(t, dir, func(d v1.Descriptor) bool { return d.Annotations[refName] != "" })
		for _, d := range all {
			found[d.Annotations[refName]] = d.Digest
		}
		return found
	}
	first := digests(project)
	require.Len(t, first, len(names))
	assert.Equal(t, first, digests(elsewhere))
}

func TestEveryManifestHasItsSBOM(t *testing.T) {
	dir := built(t, "1", both)
	index, sboms := entries(t, dir, match.Annotation(sbomOf, "hello"))
	require.Len(t, sboms, 2)
	for i, image := range manifests(t, dir, "hello") {
		digest, err := image.Digest()
		require.NoError(t, err)
		artifact, err := index.Image(sboms[i].Digest)
		require.NoError(t, err)
		manifest, err := artifact.Manifest()
		require.NoError(t, err)
		assert.Equal(t, digest, manifest.Subject.Digest)

		layers, err := artifact.Layers()
		require.NoError(t, err)
		r, err := layers[0].Uncompressed()
		require.NoError(t, err)
		var document struct {
			SPDXVersion string `json:"spdxVersion"`
			Packages    []struct{ Name string }
		}
		require.NoError(t, json.NewDecoder(r).Decode(&document))
		assert.Equal(t, "SPDX-2.3", document.SPDXVersion)
		var packages []string
		for _, p := range document.Packages {
			packages = append(packages, p.Name)
		}
		assert.Contains(t, packages, "example.test/module")
	}
}

func TestBuildingAgainLeavesNoOldBlobs(t *testing.T) {
	dir := built(t, "1", both)
	blobs := func() int {
		found, err := os.ReadDir(filepath.Join(dir, "blobs", "sha256"))
		require.NoError(t, err)
		return len(found)
	}
	before := blobs()
	b := builder{root: "testdata/module", cache: t.TempDir(), platforms: both, version: "2"}
	require.NoError(t, b.buildAll(t.Context(), dir, nil, io.Discard))
	assert.Equal(t, before, blobs())
}
