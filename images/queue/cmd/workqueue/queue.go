package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
)

// A queue is the server's API. Each request can be sent again: names make pushes idempotent, and all else is by nature. So a
// server that is away for a moment is waited for.
type queue struct {
	url, token string
	http       *http.Client
}

// patience is how long a server may be away.
const patience = 30 * time.Second

func open(base, token, file string) (*queue, error) {
	if base == "" {
		return nil, errors.New("where is the queue? give -url, or set WORK_QUEUE_URL, to http://HOST:PORT")
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("-url must be http://HOST:PORT or https://HOST, got %q", base)
	}
	if token == "" && file != "" {
		raw, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read the token: %w", err)
		}
		token, _, _ = strings.Cut(strings.TrimSpace(string(raw)), "\n")
	}
	if token == "" {
		return nil, errors.New("a client token is needed: give -token-file, or set WORK_QUEUE_TOKEN; it is in the instance's secret client-token")
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = parallel
	return &queue{url: strings.TrimSuffix(base, "/"), token: token, http: &http.Client{Transport: transport}}, nil
}

func stagePath(stage string) string { return "/v1/stages/" + url.PathEscape(stage) }

// escape a name, whose slashes divide segments of the path.
func escape(name string) string {
	segments := strings.Split(name, "/")
	for i := range segments {
		segments[i] = url.PathEscape(segments[i])
	}
	return strings.Join(segments, "/")
}

func (q *queue) get(ctx context.Context, path string, into any) error {
	answer, err := q.send(ctx, http.MethodGet, path, "", nil)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	return decode(answer, into)
}

func (q *queue) post(ctx context.Context, path string, body, into any) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	answer, err := q.send(ctx, http.MethodPost, path, "application/json", func() (io.ReadCloser, int64, error) {
		return io.NopCloser(bytes.NewReader(raw)), int64(len(raw)), nil
	})
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	return decode(answer, into)
}

func decode(answer *http.Response, into any) error {
	if err := json.NewDecoder(answer.Body).Decode(into); err != nil {
		return fmt.Errorf("%s: the answer is not understood: %w", answer.Request.URL.Path, err)
	}
	return nil
}

// items of a stage, one after the other.
func (q *queue) items(ctx context.Context, stage, state string, each func(api.Item) error) error {
	for after := ""; ; {
		var page api.ItemsAnswer
		if err := q.get(ctx, stagePath(stage)+"/items?"+url.Values{"state": {state}, "after": {after}, "limit": {"1000"}}.Encode(), &page); err != nil {
			return err
		}
		for _, i := range page.Items {
			if err := each(i); err != nil {
				return err
			}
		}
		if after = page.After; after == "" {
			return nil
		}
	}
}

// outputs of the pipeline, one after the other.
func (q *queue) outputs(ctx context.Context, each func(api.PipelineOutput) error) error {
	for after := ""; ; {
		var page api.OutputsAnswer
		if err := q.get(ctx, "/v1/outputs?"+url.Values{"after": {after}, "limit": {"1000"}}.Encode(), &page); err != nil {
			return err
		}
		for _, o := range page.Outputs {
			if err := each(o); err != nil {
				return err
			}
		}
		if after = page.After; after == "" {
			return nil
		}
	}
}

// send a request, and send it again while the server is away or has too much to do. The body is opened anew each time.
func (q *queue) send(ctx context.Context, method, path, contentType string, open func() (io.ReadCloser, int64, error)) (*http.Response, error) {
	end := time.Now().Add(patience)
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		answer, err := q.once(ctx, method, path, contentType, open)
		var refused *refusal
		switch {
		case err == nil:
			return answer, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.As(err, &refused) && refused.after == 0:
			return nil, err
		case time.Now().Add(pause).After(end):
			return nil, fmt.Errorf("%w (tried for %s)", err, patience)
		}
		if refused != nil {
			pause = max(pause, refused.after)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause):
		}
	}
}

func (q *queue) once(ctx context.Context, method, path, contentType string, open func() (io.ReadCloser, int64, error)) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, q.url+path, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+q.token)
	if open != nil {
		if request.Body, request.ContentLength, err = open(); err != nil {
			return nil, &refusal{said: api.Error{Message: err.Error()}}
		}
		request.Header.Set("Content-Type", contentType)
	}
	answer, err := q.http.Do(request)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode < 300 {
		return answer, nil
	}
	defer answer.Body.Close()
	raw, _ := io.ReadAll(io.LimitReader(answer.Body, 64<<10)) // what there is of it says more than that it broke off
	r := &refusal{}
	if json.Unmarshal(raw, &r.said) != nil || r.said.Message == "" {
		r.said.Message = fmt.Sprintf("%s %s: %s", method, path, answer.Status)
	}
	switch answer.StatusCode {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusBadGateway, http.StatusGatewayTimeout:
		seconds, _ := strconv.Atoi(answer.Header.Get("Retry-After"))
		r.after = max(time.Duration(seconds)*time.Second, time.Millisecond)
	}
	return nil, r
}

// A refusal is an answer that is no success. After says when it is of use to ask again; 0 is never.
type refusal struct {
	said  api.Error
	after time.Duration
}

func (r *refusal) Error() string { return r.said.Message }
