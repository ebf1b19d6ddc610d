// Package baseline is a scatter/gather as one writes it in an afternoon, with what the standard library has: what the gatherer is
// compared with. It has no hedges, no breakers and no coverage: one request to each shard, and all answers or an error.
package baseline

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// Handler asks all shards and answers with one array of all elements of theirs.
type Handler struct {
	shards   []*url.URL
	deadline time.Duration
	client   *http.Client
}

// maxRequestBytes of a body, as of the gatherer.
const maxRequestBytes = 1 << 20

// New handler of shards, each an HOST:PORT whose answers are JSON arrays.
func New(shards []string, deadline time.Duration) *Handler {
	h := &Handler{deadline: deadline, client: &http.Client{Transport: &http.Transport{
		DialContext:         (&net.Dialer{Timeout: time.Second, KeepAlive: 30 * time.Second}).DialContext,
		MaxIdleConnsPerHost: 1024,
		IdleConnTimeout:     90 * time.Second,
		DisableCompression:  true,
	}}}
	for _, shard := range shards {
		h.shards = append(h.shards, &url.URL{Scheme: "http", Host: shard})
	}
	return h
}

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequestBytes))
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), h.deadline)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	parts := make([][]json.RawMessage, len(h.shards))
	for i := range h.shards {
		group.Go(func() error {
			part, err := h.ask(ctx, r, body, i)
			if err != nil {
				return fmt.Errorf("shard %d: %w", i, err)
			}
			return json.Unmarshal(part, &parts[i])
		})
	}
	if err := group.Wait(); err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	all := []json.RawMessage{}
	for _, part := range parts {
		all = append(all, part...)
	}
	answer, err := json.Marshal(all)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
	w.Write(answer) //nolint:errcheck // the client is gone
}

func (h *Handler) ask(ctx context.Context, r *http.Request, body []byte, shard int) ([]byte, error) {
	out := r.Clone(ctx)
	out.RequestURI = ""
	out.Body = io.NopCloser(bytes.NewReader(body))
	out.ContentLength = int64(len(body))
	if len(body) == 0 {
		out.Body = http.NoBody
	}
	for _, list := range out.Header["Connection"] {
		for name := range strings.SplitSeq(list, ",") {
			out.Header.Del(strings.TrimSpace(name))
		}
	}
	for _, name := range []string{"Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade"} {
		out.Header.Del(name)
	}
	forwarded := httputil.ProxyRequest{In: r, Out: out}
	forwarded.SetURL(h.shards[shard])
	out.Header.Set("Pattern-Shard", strconv.Itoa(shard))
	response, err := h.client.Do(out)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", response.StatusCode)
	}
	return io.ReadAll(response.Body)
}
