package serve

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/images/worker/claims"
	"github.com/container-patterns/terraform-provider-pattern/images/worker/folder"
	"github.com/container-patterns/terraform-provider-pattern/images/worker/transfer"
)

// The headers of an item.
const (
	HeaderName     = "Work-Item-Name"
	HeaderAttempt  = "Work-Attempt"
	HeaderDeadline = "Work-Deadline" // RFC 3339
)

var errTimeout = errors.New("timeout")

// Work is a claims.Worker.
func (s *Server) Work(ctx context.Context, lease api.Lease) claims.Result {
	deadline := time.Now().Add(s.Config.Timeout.Std())
	attempt, cancel := context.WithDeadlineCause(ctx, deadline, errTimeout)
	defer cancel()
	f, err := folder.Make(s.Config.WorkDir+"/item-"+strconv.FormatInt(s.number.Add(1), 10), lease.Name)
	if err != nil {
		return claims.Result{Outcome: claims.Retry, Failure: api.Failure{Reason: err.Error()}}
	}
	defer func() { _ = f.Remove() }()
	result, err := s.post(ctx, attempt, lease, f, deadline)
	if err == nil {
		if result.Outcome != claims.Done {
			s.Log.Warn("item failed", "item", lease.Name, "attempt", lease.Attempt, "outcome", result.Outcome, "reason", result.Failure.Reason)
		}
		return result
	}
	failure := api.Failure{Reason: err.Error()}
	switch {
	case ctx.Err() != nil: // from outside
		failure.Reason = context.Cause(ctx).Error()
		return claims.Result{Outcome: claims.Released, Failure: failure}
	case attempt.Err() != nil:
		failure.Reason = "timeout after " + s.Config.Timeout.String()
	}
	s.Log.Warn("item failed", "item", lease.Name, "attempt", lease.Attempt, "outcome", claims.Retry, "reason", failure.Reason)
	return claims.Result{Outcome: claims.Retry, Failure: failure}
}

// post sends one item and takes the answer. An error is to retry. The upload of a large answer may outlast the attempt.
func (s *Server) post(ctx, attempt context.Context, lease api.Lease, f *folder.Folder, deadline time.Time) (r claims.Result, err error) {
	if lease.Payload != "" { // by way of a file: a connection to the queue that breaks must not look like a short item
		if err := transfer.Input(attempt, s.Queue, lease, f.Input(), s.Log); err != nil {
			return r, err
		}
	}
	response, err := s.send(attempt, lease, f, deadline)
	if err != nil {
		return r, err
	}
	defer response.Body.Close()
	if response.StatusCode/100 != 2 {
		return refusal(response), nil
	}
	r.Outcome = claims.Done
	if response.StatusCode == http.StatusNoContent {
		return r, nil
	}
	head := make([]byte, transfer.InlineBytes+1)
	n, err := io.ReadFull(response.Body, head)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF) && n <= transfer.InlineBytes && whole(response, n):
		r.Outputs = []api.Output{{Name: lease.Name, Data: head[:n:n]}}
		return r, nil
	case err != nil:
		return r, fmt.Errorf("read the server's answer: %w", err)
	}
	file, err := os.OpenFile(f.OutputFile(), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return r, fmt.Errorf("keep the server's answer: %w", err)
	}
	size, err := io.Copy(file, io.MultiReader(bytes.NewReader(head), response.Body))
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return r, fmt.Errorf("keep the server's answer: %w", err)
	}
	outputs, err := transfer.Outputs(ctx, s.Queue, lease.Name, []folder.Output{{Name: lease.Name, Path: f.OutputFile(), Size: size}}, s.Log)
	if err != nil {
		if ctx.Err() != nil {
			return r, err
		}
		return claims.Result{Outcome: claims.Permanent, Failure: api.Failure{Reason: err.Error()}}, nil
	}
	r.Outputs = outputs
	return r, nil
}

// whole tells the end of an answer from a connection that broke, which io.ReadFull says the same of.
func whole(response *http.Response, n int) bool {
	if response.ContentLength >= 0 {
		return int64(n) == response.ContentLength
	}
	_, err := response.Body.Read(make([]byte, 1))
	return errors.Is(err, io.EOF)
}

// send posts the item as soon as somebody listens.
func (s *Server) send(ctx context.Context, lease api.Lease, f *folder.Folder, deadline time.Time) (*http.Response, error) {
	for {
		if err := s.Ready(ctx); err != nil {
			return nil, errors.Join(err, s.State())
		}
		open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(lease.Data)), nil }
		size := int64(len(lease.Data))
		if lease.Payload != "" {
			open = func() (io.ReadCloser, error) { return os.Open(f.Input()) }
			info, err := os.Stat(f.Input())
			if err != nil {
				return nil, fmt.Errorf("read the input: %w", err)
			}
			size = info.Size()
		}
		body, err := open()
		if err != nil {
			return nil, fmt.Errorf("read the input: %w", err)
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.address+s.Config.HTTP.Path, body)
		if err != nil {
			return nil, fmt.Errorf("post the item: %w", err)
		}
		if request.ContentLength, request.GetBody = size, open; size == 0 {
			request.Body = http.NoBody
			_ = body.Close()
		}
		request.Header.Set("Content-Type", "application/octet-stream")
		request.Header.Set(HeaderName, lease.Name)
		request.Header.Set(HeaderAttempt, strconv.Itoa(lease.Attempt))
		request.Header.Set(HeaderDeadline, deadline.UTC().Format(time.RFC3339))
		response, err := s.client.Do(request)
		if errors.Is(err, syscall.ECONNREFUSED) { // it has not seen the item: it ends, or has just begun
			s.mu.Lock()
			why := s.state
			s.mu.Unlock()
			if why == nil {
				select {
				case <-time.After(readyPoll):
				case <-ctx.Done():
				}
			}
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("post the item: %w", err)
		}
		return response, nil
	}
}

// refusal says what an answer that is not 2xx means.
func refusal(response *http.Response) claims.Result {
	head, _ := io.ReadAll(io.LimitReader(response.Body, api.ErrorTailBytes))
	r := claims.Result{Outcome: claims.Permanent, Failure: api.Failure{Reason: "status " + response.Status, ErrorTail: strings.ToValidUTF8(string(head), "\uFFFD")}}
	switch code := response.StatusCode; {
	case code == http.StatusRequestTimeout, code == http.StatusTooEarly, code == http.StatusTooManyRequests, code >= 500:
		r.Outcome = claims.Retry
		r.Delay = min(retryAfter(response.Header.Get("Retry-After")), api.MaxDelay)
	}
	return r
}

func retryAfter(text string) time.Duration {
	if seconds, err := strconv.Atoi(text); err == nil && seconds > 0 {
		return time.Duration(min(seconds, int(api.MaxDelay/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, time.Until(at).Round(time.Second))
	}
	return 0
}
