// Package gcs stores objects in Google Cloud Storage: one upload each, which the server checks against a CRC-32C of the content.
//
// Credentials are Google's application default credentials: GOOGLE_APPLICATION_CREDENTIALS (a service account's key, or workload identity federation), gcloud's own file, or the metadata server (workload identity on GKE).
package gcs

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"

	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/config"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/sink/client"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/sink/fault"
)

const (
	endpoint = "https://storage.googleapis.com"
	scope    = "https://www.googleapis.com/auth/devstorage.read_write"
	emulator = "STORAGE_EMULATOR_HOST" // as Google's own clients have it; nothing is signed then
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A Bucket is a store.
type Bucket struct {
	name      string
	base      string
	anonymous bool
	client    *client.Client

	mu     sync.Mutex
	tokens oauth2.TokenSource
}

// Open reads gs://BUCKET?anonymous=true.
func Open(address *url.URL) (*Bucket, error) {
	if address.Host == "" {
		return nil, errors.New("a bucket is written as gs://name")
	}
	if strings.Trim(address.Path, "/") != "" {
		return nil, fmt.Errorf("the path %q has no meaning, use bucket.prefix", address.Path)
	}
	b := &Bucket{name: address.Host, base: endpoint, client: client.New(config.Auth{}, config.TLS{})}
	for name, values := range address.Query() {
		var err error
		switch name {
		case "anonymous":
			b.anonymous, err = strconv.ParseBool(values[0])
		default:
			return nil, fmt.Errorf("unknown parameter %q, must be anonymous", name)
		}
		if err != nil {
			return nil, fmt.Errorf("%s must be true or false, got %q", name, values[0])
		}
	}
	if host := os.Getenv(emulator); host != "" {
		if !strings.Contains(host, "://") {
			host = "http://" + host
		}
		b.base, b.anonymous = strings.TrimSuffix(host, "/"), true
	}
	return b, nil
}

// Put stores an object.
func (b *Bucket) Put(ctx context.Context, key string, content []byte, contentType string) error {
	address := b.base + "/upload/storage/v1/b/" + url.PathEscape(b.name) + "/o?uploadType=media&name=" + url.QueryEscape(key)
	body := bytes.NewReader(content)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, nil)
	if err != nil {
		return err
	}
	request.ContentLength = body.Size()
	request.Body, request.GetBody = client.Body(body)
	request.Header.Set("Content-Type", contentType)
	request.Header.Set("X-Goog-Hash", "crc32c="+checksum(content))
	return b.do("put object", "gs://"+b.name+"/"+key, request, nil)
}

// Check asks whether the credentials may create objects, which anybody may ask.
func (b *Bucket) Check(ctx context.Context) error {
	const permission = "storage.objects.create"
	address := b.base + "/storage/v1/b/" + url.PathEscape(b.name)
	if !b.anonymous { // emulators know no permissions, and nobody has any in a public bucket
		address += "/iam/testPermissions?permissions=" + permission
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	target := "gs://" + b.name
	var granted struct{ Permissions []string }
	if err := b.do("check bucket", target, request, &granted); err != nil {
		return err
	}
	if !b.anonymous && len(granted.Permissions) == 0 {
		return fault.Lasting("check bucket", target, errors.New("the credentials do not have "+permission),
			"grant them roles/storage.objectUser on the bucket, which replaces objects too")
	}
	return nil
}

// Close closes idle connections.
func (b *Bucket) Close() error { return b.client.Close() }

func (b *Bucket) do(doing, target string, request *http.Request, into any) error {
	if !b.anonymous {
		if err := b.authorize(doing, target, request); err != nil {
			return err
		}
	}
	return b.client.Do(doing, target, request, func(response *http.Response) error {
		switch {
		case response.StatusCode/100 != 2:
			return explain(doing, target, response)
		case into == nil:
			return nil
		}
		if err := json.NewDecoder(response.Body).Decode(into); err != nil {
			return fault.Transient(doing, target, fmt.Errorf("read the answer: %w", err))
		}
		return nil
	})
}

// explain turns the service's answers into what a person can do.
func explain(doing, target string, response *http.Response) error {
	said := fault.Said(response)
	var answer struct {
		Error struct{ Message string }
	}
	if json.Unmarshal([]byte(said), &answer) == nil && answer.Error.Message != "" {
		said = answer.Error.Message
	}
	e := fault.FromStatus(doing, target, response, said)
	switch response.StatusCode {
	case http.StatusNotFound:
		e.Advice = "make the bucket, or correct its name in sink.bucket.url"
	case http.StatusForbidden:
		e.Advice = "grant the credentials roles/storage.objectUser on the bucket, which replaces objects too"
	}
	return e
}

func (b *Bucket) authorize(doing, target string, request *http.Request) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.tokens == nil {
		// Not of the request's context: the source lives on and renews its tokens.
		found, err := google.FindDefaultCredentials(context.Background(), scope)
		if err != nil {
			return fault.Lasting(doing, target, err, "set GOOGLE_APPLICATION_CREDENTIALS, or give the container's service account a Google identity")
		}
		b.tokens = found.TokenSource
	}
	token, err := b.tokens.Token()
	if err != nil {
		var refused *oauth2.RetrieveError
		if errors.As(err, &refused) && refused.Response != nil && refused.Response.StatusCode/100 == 4 {
			b.tokens = nil // the key may have been replaced by the next attempt
			return fault.Lasting(doing, target, fmt.Errorf("get credentials: %w", err), "check the key or the identity of the container's service account")
		}
		return fault.Transient(doing, target, fmt.Errorf("get credentials: %w", err))
	}
	token.SetAuthHeader(request)
	return nil
}

func checksum(content []byte) string {
	sum := crc32.Checksum(content, castagnoli)
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, sum))
}
