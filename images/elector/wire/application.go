package wire

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/config"
)

// follow the application's readiness until the context ends, and tell of its changes.
func follow(ctx context.Context, a config.Application, tell func(ready bool), log *slog.Logger) {
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	failures, ready := 0, false
	tick := time.NewTicker(a.Period.Std())
	defer tick.Stop()
	for {
		err := ask(ctx, client, a)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			if failures = 0; !ready {
				ready = true
				log.Info("the application is ready: it can lead")
				tell(true)
			}
		case ready:
			if failures++; failures >= a.Failures {
				ready = false
				log.Warn("the application is not ready: others lead, if they can", "error", err.Error())
				tell(false)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// ask once.
func ask(ctx context.Context, client *http.Client, a config.Application) error {
	ctx, cancel := context.WithTimeout(ctx, a.Timeout.Std())
	defer cancel()
	if a.URL == "" {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", a.TCP)
		if err != nil {
			return err
		}
		return conn.Close()
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.URL, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode < 200 || response.StatusCode >= 400 {
		return fmt.Errorf("%s answers %s", a.URL, response.Status)
	}
	return nil
}
