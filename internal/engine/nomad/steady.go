package nomad

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
)

// patience with a cluster that was reached before: a server restarts or a leader is elected in less.
const patience = 30 * time.Second

// steady repeats a blocking query that a passing trouble has ended.
func steady(ctx context.Context, ask func() error) error {
	var since time.Time
	for {
		err := ask()
		if err == nil || !passing(err) || ctx.Err() != nil {
			return err
		}
		if since.IsZero() {
			since = time.Now()
		}
		if time.Since(since) > patience {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Second):
		}
	}
}

// passing tells whether an error may be over in a moment: no answer, or one that blames the server.
func passing(err error) bool {
	var config *engine.ConfigError
	if errors.As(err, &config) {
		return false
	}
	code := status(err)
	return code == 0 || code >= http.StatusInternalServerError || code == http.StatusTooManyRequests
}
