package wire

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/config"
)

func TestAnApplicationIsReadyWhenItAnswers(t *testing.T) {
	status := atomic.Int64{}
	status.Store(503)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(int(status.Load())) }))
	defer server.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	for name, a := range map[string]config.Application{"http": {URL: server.URL}, "tcp": {TCP: listener.Addr().String()}} {
		a.Period, a.Timeout, a.Failures = config.Duration(5*time.Millisecond), config.Duration(time.Second), 3
		ctx, cancel := context.WithCancel(t.Context())
		told := make(chan bool, 8)
		ended := make(chan struct{})
		go func() {
			follow(ctx, a, func(ready bool) { told <- ready }, slog.New(slog.DiscardHandler))
			close(ended)
		}()
		if name == "http" {
			<-time.After(20 * time.Millisecond)
			assert.Empty(t, told)
			status.Store(302)
			assert.True(t, <-told)
			status.Store(500)
		} else {
			assert.True(t, <-told)
			listener.Close()
		}
		assert.False(t, <-told)
		cancel()
		<-ended
	}
}
