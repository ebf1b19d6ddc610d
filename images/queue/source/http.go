package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
)

const (
	// listBytes bounds the list of names, which is in memory as a whole.
	listBytes = 16 << 20
	// listTimeout of a list, and stallTimeout of an item that sends nothing more: an item may be large, and take its time.
	listTimeout  = time.Minute
	stallTimeout = 30 * time.Second
)

// client of HTTP sources: few connections, kept for the next item.
var client = &http.Client{Transport: &http.Transport{
	Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: parallel, MaxConnsPerHost: parallel,
	IdleConnTimeout: time.Minute, ResponseHeaderTimeout: stallTimeout, TLSHandshakeTimeout: 10 * time.Second,
}}

// http enqueues what the list of the source API names, with the contents that it gives.
func (l *looking) http(ctx context.Context) error {
	base := strings.TrimSuffix(l.feed.http.URL, "/") + "/api/v1/items"
	names, err := listed(ctx, base)
	if err != nil {
		return err
	}
	l.content = func(ctx context.Context, f found) (p store.Payload, err error) {
		err = get(ctx, itemURL(base, f.name), func(body io.Reader) error {
			p, err = l.r.o.Keep(ctx, body)
			return err
		})
		return p, err
	}
	if _, err := l.begin(ctx, false); err != nil {
		return err
	}
	for _, name := range names {
		if err := l.offer(ctx, found{name: name, item: name}); err != nil {
			return err
		}
	}
	return l.end(ctx)
}

func itemURL(base, name string) string {
	segments := strings.Split(name, "/")
	for i, s := range segments {
		segments[i] = url.PathEscape(s)
	}
	return base + "/" + strings.Join(segments, "/")
}

// listed gives the names, ascending.
func listed(ctx context.Context, address string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	var answer struct {
		Items *[]string `json:"items"`
	}
	err := get(ctx, address, func(body io.Reader) error {
		bounded := &io.LimitedReader{R: body, N: listBytes + 1}
		err := json.NewDecoder(bounded).Decode(&answer)
		switch {
		case bounded.N <= 0:
			return fmt.Errorf("the answer is larger than %d bytes", listBytes)
		case err != nil:
			return fmt.Errorf(`the answer must be {"items": ["NAME", ...]}: %w`, err)
		case answer.Items == nil:
			return errors.New(`the answer must be {"items": ["NAME", ...]}, and has no "items"`)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(*answer.Items)
	return slices.Compact(*answer.Items), nil
}

// get an answer of status 200 and read it. An answer that ends early, or stalls, is an error of read's reader.
func get(ctx context.Context, address string, read func(io.Reader) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err // says the method and the address
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(io.LimitReader(response.Body, 200))
		err := fmt.Errorf("get %s: %s: %s", address, response.Status, strings.TrimSpace(string(said)))
		if seconds, _ := strconv.Atoi(response.Header.Get("Retry-After")); seconds > 0 {
			return patience{err, time.Duration(min(seconds, 3600)) * time.Second}
		}
		return err
	}
	timer := time.AfterFunc(stallTimeout, func() { cancel(fmt.Errorf("nothing was sent for %s", stallTimeout)) })
	defer timer.Stop()
	if err := read(&lively{response.Body, timer}); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = errors.Join(cause, err)
		}
		return fmt.Errorf("get %s: %w", address, err)
	}
	return nil
}

// lively starts the timer anew whenever something is read.
type lively struct {
	io.Reader
	timer *time.Timer
}

func (l *lively) Read(p []byte) (int, error) {
	n, err := l.Reader.Read(p)
	if n > 0 {
		l.timer.Reset(stallTimeout)
	}
	return n, err
}
