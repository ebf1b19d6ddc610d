package bucket

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
)

func init() { schemes["gs"] = openGCS }

const (
	googleEndpoint = "https://storage.googleapis.com"
	googleScope    = "https://www.googleapis.com/auth/devstorage.read_write"
	googleEmulator = "STORAGE_EMULATOR_HOST" // as Google's own clients have it; nothing is signed then
)

// gcs is a bucket of Google Cloud Storage, with Google's application default credentials.
type gcs struct {
	rest
	name, base string

	mu     sync.Mutex
	tokens oauth2.TokenSource
}

func openGCS(_ context.Context, u *url.URL) (Bucket, error) {
	if u.Host == "" || strings.Trim(u.Path, "/") != "" {
		return nil, permanentError{fmt.Errorf("a bucket is written as gs://NAME, got %q", u.Redacted())}
	}
	b := &gcs{rest: newREST(), name: u.Host, base: googleEndpoint}
	b.said = func(_ *http.Response, body string) string {
		var answer struct {
			Error struct{ Message string }
		}
		if json.Unmarshal([]byte(body), &answer) == nil && answer.Error.Message != "" {
			return answer.Error.Message
		}
		return strings.TrimSpace(body)
	}
	b.authorize = b.bear
	for name, values := range u.Query() {
		anonymous, err := strconv.ParseBool(values[0])
		if name != "anonymous" || err != nil {
			return nil, permanentError{fmt.Errorf("gs://%s: the only parameter is anonymous=true, got %s=%s", b.name, name, values[0])}
		}
		if anonymous {
			b.authorize = func(*http.Request) error { return nil }
		}
	}
	if host := os.Getenv(googleEmulator); host != "" {
		if !strings.Contains(host, "://") {
			host = "http://" + host
		}
		b.base, b.authorize = strings.TrimSuffix(host, "/"), func(*http.Request) error { return nil }
	}
	return b, nil
}

// bear the token of the credentials that are there.
func (b *gcs) bear(r *http.Request) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.tokens == nil {
		// Not of the request's context: the source lives on and renews its tokens.
		found, err := google.FindDefaultCredentials(context.Background(), googleScope)
		if err != nil {
			return permanentError{fmt.Errorf("%w: set GOOGLE_APPLICATION_CREDENTIALS, or give the container's service account a Google identity", err)}
		}
		b.tokens = found.TokenSource
	}
	token, err := b.tokens.Token()
	var refused *oauth2.RetrieveError
	switch {
	case err == nil:
		token.SetAuthHeader(r)
	case errors.As(err, &refused) && refused.Response != nil && refused.Response.StatusCode/100 == 4:
		return permanentError{err}
	}
	return err
}

func (b *gcs) at(name string) string { return strings.TrimSuffix("gs://"+b.name+"/"+name, "/") }

func (b *gcs) object(name string) string {
	return b.base + "/storage/v1/b/" + url.PathEscape(b.name) + "/o/" + url.PathEscape(name)
}

// noBucket tells a bucket that is missing from an object that is: the answers are alike, so the bucket is asked for.
func (b *gcs) noBucket(ctx context.Context, err error) bool {
	var s *statusError
	if !errors.As(err, &s) || s.status != http.StatusNotFound {
		return false
	}
	response, err := b.again(ctx, func() (*http.Request, error) {
		return http.NewRequestWithContext(ctx, http.MethodGet, b.base+"/storage/v1/b/"+url.PathEscape(b.name)+"?fields=name", nil)
	})
	if err == nil {
		response.Body.Close()
	}
	return errors.As(err, &s) && s.status == http.StatusNotFound // who may not ask for it has one
}

// Put streams: what breaks off is not ended, and so not stored.
func (b *gcs) Put(ctx context.Context, name string, r io.Reader, size int64) error {
	address := b.base + "/upload/storage/v1/b/" + url.PathEscape(b.name) + "/o?uploadType=media&name=" + url.QueryEscape(name)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, reader{ctx, r})
	if err != nil {
		return err
	}
	if request.ContentLength = size; size == 0 {
		request.Body = http.NoBody
	}
	request.Header.Set("Content-Type", "application/octet-stream")
	response, err := b.send(request)
	if err != nil {
		return explain("write", b.at(name), false, err)
	}
	return response.Body.Close()
}

func (b *gcs) Get(ctx context.Context, name string) (io.ReadCloser, int64, error) {
	response, err := b.again(ctx, func() (*http.Request, error) {
		return http.NewRequestWithContext(ctx, http.MethodGet, b.object(name)+"?alt=media", nil)
	})
	if err != nil {
		return nil, 0, explain("read", b.at(name), !b.noBucket(ctx, err), err)
	}
	return response.Body, response.ContentLength, nil
}

func (b *gcs) List(ctx context.Context, prefix, after string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		for token := ""; ; {
			var page struct {
				Items []struct {
					Name    string
					Size    string
					Updated time.Time
				}
				NextPageToken string
			}
			query := url.Values{"prefix": {prefix}, "startOffset": {after}, "maxResults": {"1000"}, "fields": {"items(name,size,updated),nextPageToken"}}
			if token != "" {
				query.Set("pageToken", token)
			}
			response, err := b.again(ctx, func() (*http.Request, error) {
				return http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(b.object(""), "/")+"?"+query.Encode(), nil)
			})
			if err == nil {
				err = json.NewDecoder(response.Body).Decode(&page)
				response.Body.Close()
			}
			if err != nil {
				yield(Object{}, explain("list", b.at(""), false, err))
				return
			}
			for _, o := range page.Items {
				size, _ := strconv.ParseInt(o.Size, 10, 64)
				if o.Name <= after || strings.HasSuffix(o.Name, "/") { // the first may be after itself; consoles make folders
					continue
				}
				if !yield(Object{Name: o.Name, Size: size, Modified: o.Updated}, nil) {
					return
				}
			}
			if token = page.NextPageToken; token == "" {
				return
			}
		}
	}
}

func (b *gcs) Delete(ctx context.Context, name string) error {
	response, err := b.again(ctx, func() (*http.Request, error) {
		return http.NewRequestWithContext(ctx, http.MethodDelete, b.object(name), nil)
	})
	if err != nil {
		if err = explain("delete", b.at(name), !b.noBucket(ctx, err), err); errors.Is(err, ErrNotExist) {
			return nil
		}
		return err
	}
	return response.Body.Close()
}

func (b *gcs) Close() error {
	b.client.CloseIdleConnections()
	return nil
}
