package bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// rest sends requests of stores that have no client of their own here.
type rest struct {
	client    *http.Client
	authorize func(r *http.Request) error
	// said is the service's own message in the body of an answer.
	said func(response *http.Response, body string) string
}

func newREST() rest {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableCompression = true // contents are as they were stored
	transport.ResponseHeaderTimeout = 2 * time.Minute
	return rest{client: &http.Client{Transport: transport}}
}

// statusError is an answer that is no success.
type statusError struct {
	status int
	said   string
}

func (e *statusError) Error() string {
	return strings.TrimSuffix(fmt.Sprintf("%d %s: %s", e.status, http.StatusText(e.status), e.said), ": ")
}

// send a request once. The answer's body is the caller's to close.
func (c rest) send(r *http.Request) (*http.Response, error) {
	if err := c.authorize(r); err != nil {
		return nil, fmt.Errorf("get credentials: %w", err)
	}
	response, err := c.client.Do(r)
	if err != nil || response.StatusCode/100 == 2 {
		return response, err
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(response.Body, 64<<10)) // what there is of it says more than that it broke off
	return nil, &statusError{response.StatusCode, c.said(response, string(body))}
}

// Pace of new attempts.
const (
	tries    = 5
	firstTry = 200 * time.Millisecond
)

// again sends a request that has no body until it is answered, or refused for good.
func (c rest) again(ctx context.Context, make func() (*http.Request, error)) (*http.Response, error) {
	for n, pause := 1, firstTry; ; n, pause = n+1, 2*pause {
		r, err := make()
		if err != nil {
			return nil, err
		}
		response, err := c.send(r)
		if err == nil || n == tries || !passing(err) {
			return response, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause):
		}
	}
}

// passing tells whether an error may go away by itself.
func passing(err error) bool {
	var s *statusError
	if !errors.As(err, &s) {
		return !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) && !Permanent(err)
	}
	return s.status >= 500 || slices.Contains([]int{http.StatusRequestTimeout, http.StatusTooManyRequests}, s.status)
}

// explain says what was being done with which object. What is missing is an object where one is asked for, else the bucket.
func explain(doing, at string, object bool, err error) error {
	if err == nil {
		return nil
	}
	var s *statusError
	if object && errors.As(err, &s) && s.status == http.StatusNotFound {
		return fmt.Errorf("%s %s: %w", doing, at, ErrNotExist)
	}
	passes := passing(err)
	err = fmt.Errorf("%s %s: %w", doing, at, err)
	if passes || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return permanentError{err}
}
