package peers

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"testing"
)

// GCS is an emulator of Google Cloud Storage over a directory. It asks for no credentials.
type GCS struct {
	*Process
	// Host is what STORAGE_EMULATOR_HOST must be.
	Host string

	dir string
}

// FakeGCS starts an emulator of Google Cloud Storage.
func FakeGCS(t testing.TB) *GCS {
	t.Helper()
	binary, err := Make("fakegcs")
	if err != nil {
		t.Fatal(err)
	}
	port := FreePort(t)
	g := &GCS{Host: fmt.Sprintf("127.0.0.1:%d", port), dir: filepath.Join(t.TempDir(), "buckets")}
	g.Process = start(t, "fake-gcs-server", func() *exec.Cmd {
		return exec.Command(binary, "-scheme", "http", "-host", "127.0.0.1", "-port", fmt.Sprint(port), "-filesystem-root", g.dir)
	}, func() bool { return answers("http://" + g.Host + "/_internal/healthcheck") })
	return g
}

// MakeBucket makes a bucket and gives the URL by which a log saver writes to it.
func (g *GCS) MakeBucket(t testing.TB, name string) string {
	t.Helper()
	response, err := http.Post("http://"+g.Host+"/storage/v1/b?project=tests", "application/json", bytes.NewBufferString(fmt.Sprintf(`{"name":%q}`, name)))
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("make bucket %s: %s", name, response.Status)
	}
	return "gs://" + name
}

// Object gives the content of an object; ok is false if it is not there.
func (g *GCS) Object(t testing.TB, bucket, key string) (content []byte, ok bool) {
	t.Helper()
	return download(t, "http://"+g.Host+"/storage/v1/b/"+url.PathEscape(bucket)+"/o/"+url.PathEscape(key)+"?alt=media")
}
