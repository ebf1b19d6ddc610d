package queue

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
)

const (
	clientToken = "client-of-the-harness"
	workerToken = "worker-of-the-harness"
)

// client talks to whichever server answers.
type client struct {
	addresses []string
	at        atomic.Uint32
	http      http.Client
}

func newClient(addresses []string) *client {
	return &client{addresses: addresses, http: http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 32}}}
}

// raw gives an answer's body. An answer that is no success is an *api.Error, if it is one.
func (c *client) raw(ctx context.Context, method, path, token string, request any) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	body, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	at := c.at.Load()
	address := c.addresses[int(at)%len(c.addresses)]
	r, err := http.NewRequestWithContext(ctx, method, "http://"+address+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	response, err := c.http.Do(r)
	if err != nil {
		c.at.CompareAndSwap(at, at+1)
		return nil, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode/100 != 2 {
		c.at.CompareAndSwap(at, at+1)
		var e api.Error
		if json.Unmarshal(content, &e) != nil || e.Code == "" {
			return nil, fmt.Errorf("%s %s: %s: %s", method, path, response.Status, content)
		}
		return nil, &e
	}
	return content, nil
}

func (c *client) call(ctx context.Context, method, path, token string, request, answer any) error {
	content, err := c.raw(ctx, method, path, token, request)
	if err != nil {
		return err
	}
	return json.Unmarshal(content, answer)
}

// refusedForGood says that asking again is of no use.
func refusedForGood(err error) bool {
	var e *api.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code {
	case "no_space", "unavailable", "internal", "too_many_requests":
		return false
	}
	return true
}

// pause between two attempts.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
