package azure_test

import (
	"encoding/base64"
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

func container(url string) config.Sink {
	return config.Sink{Bucket: &config.Bucket{URL: url, Prefix: "shop", Compression: "gzip"}}
}

func TestAzureBlobStorage(t *testing.T) {
	server := peers.Azurite(t)
	url := server.MakeContainer(t, "logs")
	b := sinktest.Batch("sub dir/access+ä~(1).log", 0, sinktest.Lines(5000)...)
	keys := map[string]map[string]string{
		"a connection string": {"AZURE_STORAGE_CONNECTION_STRING": server.ConnectionString},
		"an account's key":    {"AZURE_STORAGE_CONNECTION_STRING": "BlobEndpoint=" + server.Endpoint, "AZURE_STORAGE_ACCOUNT": server.Account, "AZURE_STORAGE_KEY": server.Key},
		"a signature":         {"AZURE_STORAGE_CONNECTION_STRING": "BlobEndpoint=" + server.Endpoint, "AZURE_STORAGE_ACCOUNT": server.Account, "AZURE_STORAGE_SAS_TOKEN": server.SAS(t, "logs", "cw")},
	}
	for name, env := range keys {
		t.Run("a batch is an object and comes again as the same, with "+name, func(t *testing.T) {
			for name, value := range env {
				t.Setenv(name, value)
			}
			s := sinktest.Open(t, container(url))
			require.NoError(t, s.Check(t.Context()))
			require.NoError(t, s.Write(t.Context(), b))
			first, ok := server.Object(t, "logs", "shop/"+b.Name+".log.gz")
			require.True(t, ok)
			require.NoError(t, s.Write(t.Context(), b))
			again, _ := server.Object(t, "logs", "shop/"+b.Name+".log.gz")
			assert.Equal(t, first, again)
		})
	}

	t.Setenv("AZURE_STORAGE_CONNECTION_STRING", server.ConnectionString)
	t.Run("a container that is not there is permanent", func(t *testing.T) {
		s := sinktest.Open(t, container("azblob://absent"))
		for _, err := range []error{s.Check(t.Context()), s.Write(t.Context(), b)} {
			require.ErrorContains(t, err, "make the container")
			assert.True(t, sink.Permanent(err))
		}
	})
	t.Run("a wrong key is permanent", func(t *testing.T) {
		t.Setenv("AZURE_STORAGE_CONNECTION_STRING", "BlobEndpoint="+server.Endpoint+";AccountName="+server.Account+";AccountKey="+base64.StdEncoding.EncodeToString([]byte("wrong")))
		s := sinktest.Open(t, container(url))
		for _, err := range []error{s.Check(t.Context()), s.Write(t.Context(), b)} {
			require.Error(t, err)
			assert.True(t, sink.Permanent(err), err.Error())
		}
	})
	t.Run("a server that is away is transient and comes back", func(t *testing.T) {
		s := sinktest.Open(t, container(url))
		server.Kill()
		err := s.Write(t.Context(), b)
		require.Error(t, err) // refused, or the end of a connection that was kept
		assert.False(t, sink.Permanent(err))
		server.Start(t)
		server.MakeContainer(t, "logs") // the emulator forgets when it is killed
		require.NoError(t, s.Write(t.Context(), b))
	})
}

// The emulator takes no tokens without TLS; who gives them is asked as Entra ID's documentation has it, and the token is what the storage gets.
func TestAWorkloadIdentity(t *testing.T) {
	asked := 0
	answer := http.StatusOK
	authority := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		if r.URL.Path != "/tenant/oauth2/v2.0/token" || r.FormValue("client_assertion") != "signed" ||
			r.FormValue("client_id") != "id" || r.FormValue("grant_type") != "client_credentials" ||
			r.FormValue("scope") != "https://storage.azure.com/.default" ||
			r.FormValue("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.WriteHeader(answer)
		fmt.Fprint(w, `{"token_type":"Bearer","expires_in":3599,"access_token":"the token"}`)
	}))
	defer authority.Close()
	var seen []string
	storage := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Header.Get("Authorization"))
		w.WriteHeader(http.StatusCreated)
	}))
	defer storage.Close()
	file := filepath.Join(t.TempDir(), "token")
	for name, value := range map[string]string{
		"AZURE_STORAGE_CONNECTION_STRING": "AccountName=a;BlobEndpoint=" + storage.URL,
		"AZURE_CLIENT_ID":                 "id", "AZURE_TENANT_ID": "tenant", "AZURE_FEDERATED_TOKEN_FILE": file, "AZURE_AUTHORITY_HOST": authority.URL,
	} {
		t.Setenv(name, value)
	}
	s := sinktest.Open(t, container("azblob://logs"))
	b := sinktest.Batch("a.log", 0, "x")
	err := s.Write(t.Context(), b)
	require.ErrorContains(t, err, "AZURE_FEDERATED_TOKEN_FILE")
	assert.True(t, sink.Permanent(err))

	require.NoError(t, os.WriteFile(file, []byte("signed\n"), 0o600))
	answer = http.StatusServiceUnavailable
	err = s.Write(t.Context(), b)
	require.Error(t, err)
	assert.False(t, sink.Permanent(err))

	answer = http.StatusOK
	require.NoError(t, s.Write(t.Context(), b))
	require.NoError(t, s.Write(t.Context(), b))
	assert.Equal(t, []string{"Bearer the token", "Bearer the token"}, seen)
	assert.Equal(t, 2, asked, "a token is kept while it holds")
}
