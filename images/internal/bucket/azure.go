package bucket

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/internal/azure"
)

func init() { schemes["azblob"] = openAzure }

// container is Azure's name for a bucket.
type container struct {
	rest
	name    string
	account azure.Account

	mu    sync.Mutex
	token string
	until time.Time
}

func openAzure(_ context.Context, u *url.URL) (Bucket, error) {
	if u.Host == "" || strings.Trim(u.Path, "/") != "" {
		return nil, permanentError{fmt.Errorf("a container is written as azblob://NAME, got %q", u.Redacted())}
	}
	account, err := azure.Parse(u.Query())
	if err != nil {
		return nil, permanentError{fmt.Errorf("azblob://%s: %w", u.Host, err)}
	}
	b := &container{rest: newREST(), name: u.Host, account: account}
	b.authorize = b.sign
	b.said = func(response *http.Response, body string) string {
		var answer struct{ Code, Message string }
		if xml.Unmarshal([]byte(strings.TrimPrefix(body, "\ufeff")), &answer) == nil && answer.Code != "" {
			return answer.Code + ": " + strings.TrimSpace(strings.SplitN(answer.Message, "\n", 2)[0])
		}
		return response.Header.Get("X-Ms-Error-Code")
	}
	return b, nil
}

// sign a request with the account's key, its shared access signature, or a token.
func (b *container) sign(r *http.Request) error {
	r.Header.Set("X-Ms-Version", azure.Version)
	r.Header.Set("X-Ms-Date", time.Now().UTC().Format(http.TimeFormat))
	switch {
	case b.account.Key != nil:
		b.account.Sign(r)
	case b.account.SAS != nil:
		query := r.URL.Query()
		for name, values := range b.account.SAS {
			query[name] = values
		}
		r.URL.RawQuery = query.Encode()
	default:
		token, err := b.bearer(r.Context())
		if err != nil {
			return err
		}
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return nil
}

// A token is replaced that long before it ends.
const tokenEarlier = 5 * time.Minute

func (b *container) bearer(ctx context.Context) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.token != "" && time.Now().Before(b.until) {
		return b.token, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := azure.TokenRequest(ctx, azure.Metadata)
	if err != nil {
		return "", permanentError{fmt.Errorf("%w: correct AZURE_FEDERATED_TOKEN_FILE", err)}
	}
	response, err := b.client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	var answer struct {
		Token   string      `json:"access_token"`
		Expires json.Number `json:"expires_in"` // a number from one, a string from the other
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, 1<<20)).Decode(&answer); err != nil || answer.Token == "" {
		return "", fmt.Errorf("no token (%s): set AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN, or give the container a workload identity or the machine a managed one", response.Status)
	}
	seconds, _ := strconv.Atoi(answer.Expires.String())
	b.token, b.until = answer.Token, time.Now().Add(time.Duration(seconds)*time.Second-tokenEarlier)
	return b.token, nil
}

func (b *container) at(name string) string {
	return strings.TrimSuffix("azblob://"+b.name+"/"+name, "/")
}

func (b *container) request(ctx context.Context, method, path string, query url.Values, body []byte) (*http.Request, error) {
	address := *b.account.Endpoint
	address.Path = strings.TrimSuffix(address.Path, "/") + "/" + b.name + path
	address.RawQuery = query.Encode()
	var content io.Reader
	if body != nil {
		content = bytes.NewReader(body)
	}
	return http.NewRequestWithContext(ctx, method, address.String(), content)
}

// done sends a request whose answer is of no interest.
func (b *container) done(ctx context.Context, method, path string, query url.Values, body []byte, header map[string]string) error {
	response, err := b.again(ctx, func() (*http.Request, error) {
		r, err := b.request(ctx, method, path, query, body)
		if err == nil {
			for k, v := range header {
				r.Header.Set(k, v)
			}
		}
		return r, err
	})
	if err != nil {
		return err
	}
	return response.Body.Close()
}

// Put writes blocks of bounded size, and then the list of them, which makes the object. A small object is one request.
func (b *container) Put(ctx context.Context, name string, r io.Reader, size int64) error {
	block := make([]byte, partBytes)
	if size >= 0 && size < partBytes {
		block = block[:size+1] // one more shows what is too long
	}
	var list bytes.Buffer
	var all int64
	var prefix [8]byte // blocks of two who write at once are not mixed
	_, _ = rand.Read(prefix[:])
	for n := uint32(0); ; n++ {
		read, err := io.ReadFull(reader{ctx, r}, block)
		all += int64(read)
		last := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !last {
			return fmt.Errorf("write %s: %w", b.at(name), err)
		}
		if last && size >= 0 && all != size || size >= 0 && all > size {
			return fmt.Errorf("write %s: %w", b.at(name), io.ErrUnexpectedEOF)
		}
		if last && n == 0 {
			header := map[string]string{"X-Ms-Blob-Type": "BlockBlob", "Content-Type": "application/octet-stream"}
			return explain("write", b.at(name), false, b.done(ctx, http.MethodPut, "/"+name, nil, block[:read], header))
		}
		if read > 0 {
			id := base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(prefix[:len(prefix):len(prefix)], n))
			if err := b.done(ctx, http.MethodPut, "/"+name, url.Values{"comp": {"block"}, "blockid": {id}}, block[:read], nil); err != nil {
				return explain("write", b.at(name), false, err)
			}
			fmt.Fprintf(&list, "<Latest>%s</Latest>", id)
		}
		if last {
			body := []byte(xml.Header + "<BlockList>" + list.String() + "</BlockList>")
			header := map[string]string{"Content-Type": "application/xml", "X-Ms-Blob-Content-Type": "application/octet-stream"}
			return explain("write", b.at(name), false, b.done(ctx, http.MethodPut, "/"+name, url.Values{"comp": {"blocklist"}}, body, header))
		}
	}
}

// noContainer tells a container that is missing from an object that is.
func noContainer(err error) bool {
	var s *statusError
	return errors.As(err, &s) && strings.HasPrefix(s.said, "ContainerNotFound")
}

func (b *container) Get(ctx context.Context, name string) (io.ReadCloser, int64, error) {
	response, err := b.again(ctx, func() (*http.Request, error) { return b.request(ctx, http.MethodGet, "/"+name, nil, nil) })
	if err != nil {
		return nil, 0, explain("read", b.at(name), !noContainer(err), err)
	}
	return response.Body, response.ContentLength, nil
}

// List skips what comes before: the service cannot begin at a name.
func (b *container) List(ctx context.Context, prefix, after string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		for marker := ""; ; {
			query := url.Values{"restype": {"container"}, "comp": {"list"}, "prefix": {prefix}, "maxresults": {"5000"}}
			if marker != "" {
				query.Set("marker", marker)
			}
			response, err := b.again(ctx, func() (*http.Request, error) { return b.request(ctx, http.MethodGet, "", query, nil) })
			var page struct {
				Blobs struct {
					Blob []struct {
						Name       string
						Properties struct {
							LastModified string `xml:"Last-Modified"`
							Length       int64  `xml:"Content-Length"`
						}
					}
				}
				NextMarker string
			}
			if err == nil {
				err = xml.NewDecoder(response.Body).Decode(&page)
				response.Body.Close()
			}
			if err != nil {
				yield(Object{}, explain("list", b.at(""), false, err))
				return
			}
			for _, o := range page.Blobs.Blob {
				if o.Name <= after {
					continue
				}
				modified, _ := http.ParseTime(o.Properties.LastModified)
				if !yield(Object{Name: o.Name, Size: o.Properties.Length, Modified: modified}, nil) {
					return
				}
			}
			if marker = page.NextMarker; marker == "" {
				return
			}
		}
	}
}

func (b *container) Delete(ctx context.Context, name string) error {
	err := b.done(ctx, http.MethodDelete, "/"+name, nil, nil, nil)
	err = explain("delete", b.at(name), !noContainer(err), err)
	if errors.Is(err, ErrNotExist) {
		return nil
	}
	return err
}

func (b *container) Close() error {
	b.client.CloseIdleConnections()
	return nil
}
