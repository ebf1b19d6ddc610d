package main

import (
	"encoding/json"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/match"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPushedImagesAreFoundByTagAndDigestWithTheirSBOMs(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.WithReferrersSupport(true)))
	defer server.Close()
	repository := strings.TrimPrefix(server.URL, "http://") + "/some/prefix"
	dir, digests := built(t, "1", both), filepath.Join(t.TempDir(), "digests.json")
	require.NoError(t, push(t.Context(), dir, target{Repository: repository, Tag: "1.0.0"}, digests, nil, io.Discard))

	_, local := entries(t, dir, match.Name("hello"))
	tag, err := name.NewTag(repository + "/hello:1.0.0")
	require.NoError(t, err)
	pushed, err := remote.Index(tag)
	require.NoError(t, err)
	digest, err := pushed.Digest()
	require.NoError(t, err)
	assert.Equal(t, local[0].Digest, digest)

	content, err := os.ReadFile(digests)
	require.NoError(t, err)
	var written target
	require.NoError(t, json.Unmarshal(content, &written))
	assert.Equal(t, target{Repository: repository, Tag: "1.0.0", Images: map[string]string{"hello": repository + "/hello@" + digest.String()}}, written)

	manifest, err := pushed.IndexManifest()
	require.NoError(t, err)
	for _, m := range manifest.Manifests {
		referrers, err := remote.Referrers(tag.Context().Digest(m.Digest.String()))
		require.NoError(t, err)
		listed, err := referrers.IndexManifest()
		require.NoError(t, err)
		require.Len(t, listed.Manifests, 1)
		assert.Equal(t, string(spdx), listed.Manifests[0].ArtifactType)
	}
}

func TestPushSaysWhatIsMissing(t *testing.T) {
	empty := t.TempDir()
	for name, c := range map[string]struct {
		to     target
		picked []string
		says   string
	}{
		"no repository":    {says: "-repository is missing: say where to push, as host:port/prefix"},
		"nothing is built": {to: target{Repository: "127.0.0.1:1/x"}, says: empty + " holds no image: build first"},
	} {
		t.Run(name, func(t *testing.T) {
			err := push(t.Context(), empty, c.to, filepath.Join(empty, "digests.json"), c.picked, io.Discard)
			assert.EqualError(t, err, c.says)
		})
	}
}
