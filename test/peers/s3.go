package peers

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7/pkg/signer"
)

// S3 is Versity's gateway over a directory.
type S3 struct {
	*Process
	// Endpoint is its address, http://127.0.0.1:PORT; buckets are in the path.
	Endpoint string
	// Region, AccessKey and SecretKey are what it wants.
	Region, AccessKey, SecretKey string

	dir string
}

// Versitygw starts an S3-compatible server.
func Versitygw(t testing.TB) *S3 {
	t.Helper()
	binary, err := Make("versitygw")
	if err != nil {
		t.Fatal(err)
	}
	// Under one parent: t.TempDir of each test is removed as a whole.
	dir, metadata := filepath.Join(t.TempDir(), "buckets"), filepath.Join(t.TempDir(), "metadata")
	for _, path := range []string{dir, metadata} {
		if err := os.MkdirAll(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	address := fmt.Sprintf("127.0.0.1:%d", FreePort(t))
	s := &S3{Endpoint: "http://" + address, Region: "us-east-1", AccessKey: "tests-access-key", SecretKey: "tests-secret-key", dir: dir}
	s.Process = start(t, "versitygw", func() *exec.Cmd {
		return exec.Command(binary, "--port", address, "--access", s.AccessKey, "--secret", s.SecretKey, "--region", s.Region,
			"--keep-alive", "posix", "--sidecar", metadata, dir)
	}, func() bool { return answers(s.Endpoint) })
	return s
}

// MakeBucket makes a bucket and gives the URL by which a log saver writes to it.
func (s *S3) MakeBucket(t testing.TB, name string) string {
	t.Helper()
	request, err := http.NewRequest(http.MethodPut, s.Endpoint+"/"+name, nil)
	if err != nil {
		t.Fatal(err)
	}
	const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" // SHA-256 of nothing
	request.Header.Set("X-Amz-Content-Sha256", empty)
	response, err := http.DefaultClient.Do(signer.SignV4(*request, s.AccessKey, s.SecretKey, "", s.Region))
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("make bucket %s: %s", name, response.Status)
	}
	return s.URL(name)
}

// Put writes an object, as anybody would.
func (s *S3) Put(t testing.TB, bucket, key string, content []byte) {
	t.Helper()
	u := url.URL{Path: "/" + bucket + "/" + key}
	request, err := http.NewRequest(http.MethodPut, s.Endpoint+u.EscapedPath(), bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(content)
	request.Header.Set("X-Amz-Content-Sha256", hex.EncodeToString(sum[:]))
	response, err := http.DefaultClient.Do(signer.SignV4(*request, s.AccessKey, s.SecretKey, "", s.Region))
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("put %s/%s: %s", bucket, key, response.Status)
	}
}

// URL is how a log saver names a bucket of this server.
func (s *S3) URL(bucket string) string {
	return fmt.Sprintf("s3://%s?endpoint=%s&region=%s&use_path_style=true", bucket, s.Endpoint, s.Region)
}

// Setenv puts the server's credentials into the test's environment.
func (s *S3) Setenv(t testing.TB) {
	t.Setenv("AWS_ACCESS_KEY_ID", s.AccessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", s.SecretKey)
}

// Objects gives all objects of a bucket by their keys, read from the disk: also while the server is away.
func (s *S3) Objects(t testing.TB, bucket string) map[string][]byte {
	t.Helper()
	return Files(t, filepath.Join(s.dir, bucket))
}

// Files gives all files below a directory by their paths in it. What is being written (names that begin with a dot) is left out.
func Files(t testing.TB, root string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if strings.HasPrefix(entry.Name(), ".") && path != root {
			if entry.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		if entry.IsDir() {
			return nil
		}
		key, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		files[filepath.ToSlash(key)], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
