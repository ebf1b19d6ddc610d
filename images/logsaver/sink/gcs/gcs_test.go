package gcs_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/config"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/sink"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/sink/sinktest"
	"github.com/container-patterns/terraform-provider-pattern/test/peers"
)

func bucket(url string) config.Sink {
	return config.Sink{Bucket: &config.Bucket{URL: url, Prefix: "shop", Compression: "zstd"}}
}

func TestGoogleCloudStorage(t *testing.T) {
	server := peers.FakeGCS(t)
	t.Setenv("STORAGE_EMULATOR_HOST", server.Host)
	url := server.MakeBucket(t, "logs")
	s := sinktest.Open(t, bucket(url))
	b := sinktest.Batch("sub dir/access+ä~(1).log", 0, sinktest.Lines(5000)...)

	t.Run("a batch is an object and comes again as the same", func(t *testing.T) {
		require.NoError(t, s.Check(t.Context()))
		require.NoError(t, s.Write(t.Context(), b))
		first, ok := server.Object(t, "logs", "shop/"+b.Name+".log.zst")
		require.True(t, ok)
		require.NoError(t, s.Write(t.Context(), b))
		again, _ := server.Object(t, "logs", "shop/"+b.Name+".log.zst")
		assert.Equal(t, first, again)
	})
	t.Run("a bucket that is not there is permanent", func(t *testing.T) {
		s := sinktest.Open(t, bucket("gs://absent"))
		for _, err := range []error{s.Check(t.Context()), s.Write(t.Context(), b)} {
			require.ErrorContains(t, err, "make the bucket")
			assert.True(t, sink.Permanent(err))
		}
	})
	t.Run("a server that is away is transient and comes back", func(t *testing.T) {
		server.Kill()
		err := s.Write(t.Context(), b)
		require.Error(t, err) // refused, or the end of a connection that was kept
		assert.False(t, sink.Permanent(err))
		server.Start(t)
		require.NoError(t, s.Write(t.Context(), b))
	})
}

// The emulator knows no credentials; who gives them does.
func TestCredentials(t *testing.T) {
	var refuse bool
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refuse {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"error":"invalid_grant","error_description":"Invalid JWT Signature."}`)
			return
		}
		w.WriteHeader(http.StatusInternalServerError)
	}))
	defer issuer.Close()
	t.Setenv("STORAGE_EMULATOR_HOST", "")
	path := filepath.Join(t.TempDir(), "key.json")
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", path)
	s := sinktest.Open(t, bucket("gs://logs"))
	b := sinktest.Batch("a.log", 0, "x")

	err := s.Write(t.Context(), b)
	require.ErrorContains(t, err, "set GOOGLE_APPLICATION_CREDENTIALS")
	assert.True(t, sink.Permanent(err), "the file is not there")

	require.NoError(t, os.WriteFile(path, serviceAccount(t, issuer.URL), 0o600))
	err = s.Write(t.Context(), b)
	require.ErrorContains(t, err, "get credentials")
	assert.False(t, sink.Permanent(err), "who gives credentials has a fault of its own: %v", err)

	refuse = true
	err = s.Write(t.Context(), b)
	require.ErrorContains(t, err, "check the key")
	assert.True(t, sink.Permanent(err))
}

func serviceAccount(t *testing.T, tokenURL string) []byte {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	file, err := json.Marshal(map[string]string{
		"type": "service_account", "client_email": "saver@tests.example.org", "private_key_id": "1", "token_uri": tokenURL,
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})
	require.NoError(t, err)
	return file
}
