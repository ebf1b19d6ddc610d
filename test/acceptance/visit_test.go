//go:build acceptance

package acceptance

import (
	"context"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"
)

// A visitor sends one request after the other until it is stopped.
type visitor struct {
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu             sync.Mutex
	served, failed int
	last           error
}

// visit URLs in turn, each request on a connection of its own, as new clients come.
func visit(t *testing.T, urls ...string) *visitor {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	v := &visitor{cancel: cancel}
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	v.done.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			err := get(client, urls[n%len(urls)])
			v.mu.Lock()
			if err == nil {
				v.served++
			} else {
				v.failed++
				v.last = err
				t.Logf("a request failed: %v", err)
			}
			v.mu.Unlock()
		}
	})
	t.Cleanup(func() { v.stop() })
	return v
}

func get(client *http.Client, url string) error {
	resp, err := client.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return &statusError{resp.Status}
	}
	return nil
}

type statusError struct{ status string }

func (e *statusError) Error() string { return e.status }

// stop, and tell how many requests were answered and how many were not.
func (v *visitor) stop() (served, failed int) {
	v.cancel()
	v.done.Wait()
	return v.served, v.failed
}
