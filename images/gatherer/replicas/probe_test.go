package replicas

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/config"
)

const (
	patience = 10 * time.Second
	often    = 2 * time.Millisecond
)

func quick() config.Breaker {
	return config.Breaker{Failures: 2, Probe: config.Duration(5 * time.Millisecond), ProbeMax: config.Duration(20 * time.Millisecond)}
}

func running(t *testing.T, s *Set) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Run(ctx)
	}()
	stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	return stop
}

func becomes(t *testing.T, s *Set, want string) {
	t.Helper()
	require.Eventually(t, func() bool { return s.Status().Replicas[0].Breaker == want }, patience, often, "%s: %+v", want, s.Status())
}

// backend is a leaf whose health is set, by either protocol.
func backend(t *testing.T) (address string, healthy *atomic.Bool, asked *atomic.Int64) {
	healthy, asked = &atomic.Bool{}, &atomic.Int64{}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.URL.Path != "/healthy" {
			t.Errorf("asked for %s", r.URL)
		}
		if !healthy.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		fmt.Fprint(w, strings.Repeat("well", 1000))
	}))
	server.Config.Protocols = &http.Protocols{}
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String(), healthy, asked
}

func TestProbesByHTTP(t *testing.T) {
	for _, protocol := range []string{"http1", "h2c"} {
		t.Run(protocol, func(t *testing.T) {
			address, healthy, asked := backend(t)
			healthy.Store(true)
			s := New(Options{Protocol: protocol, ProbePath: "/healthy", Breaker: quick()})
			running(t, s)
			s.Update([]string{address})
			require.Eventually(t, s.Reached, patience, often, "a new one is probed at once")
			assert.Equal(t, int64(1), asked.Load())

			healthy.Store(false)
			for range 2 {
				r, err := s.Pick()
				require.NoError(t, err)
				r.Done(time.Millisecond, Failure, "status 503")
			}
			becomes(t, s, "open")
			require.Eventually(t, func() bool { return asked.Load() >= 5 }, patience, often)
			assert.Equal(t, "GET /healthy: status 503", s.Status().Replicas[0].Reason)
			_, err := s.Pick()
			require.EqualError(t, err, "no replica: GET /healthy: status 503")
			healthy.Store(true)
			becomes(t, s, "half_open")
			before := asked.Load()
			r, err := s.Pick()
			require.NoError(t, err)
			r.Done(time.Millisecond, Success)
			becomes(t, s, "closed")
			assert.Equal(t, before, asked.Load(), "who is well is not probed")
		})
	}
}

func TestProbesByConnecting(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	listener.Close()
	s := New(Options{Breaker: quick(), Log: nil})
	s.Update([]string{address})
	running(t, s)
	becomes(t, s, "open") // though it was never asked
	assert.Contains(t, s.Status().Replicas[0].Reason, "connection refused")
	assert.False(t, s.Reached())
	listener, err = net.Listen("tcp", address)
	require.NoError(t, err)
	defer listener.Close()
	becomes(t, s, "half_open")
	assert.True(t, s.Ready())
	assert.True(t, s.Reached())
}

func TestNothingIsLeft(t *testing.T) {
	address, healthy, _ := backend(t)
	healthy.Store(true)
	hanging, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, and says nothing
	require.NoError(t, err)
	defer hanging.Close()
	before := runtime.NumGoroutine()
	s := New(Options{ProbePath: "/healthy", Breaker: quick()})
	stop := running(t, s)
	for i := range 20 {
		s.Update([]string{address, hanging.Addr().String(), fmt.Sprintf("127.0.0.1:%d", 1+i)})
		require.Eventually(t, s.Reached, patience, often)
	}
	all := *s.all.Load()
	begun := time.Now()
	stop()
	assert.Less(t, time.Since(begun), probePatience, "probes are cancelled")
	for _, r := range all {
		open, _ := r.Pool().Connections()
		assert.Zero(t, open, r.Address)
		assert.NotEqual(t, "cancelled", s.Status().Replicas[1].Reason, "the end says nothing of a replica")
	}
	// The server's own goroutines end with its connections. One more is that which looks.
	assert.Eventually(t, func() bool { return runtime.NumGoroutine() <= before+1 }, patience, often)
	s.Update([]string{address})
	assert.True(t, (*s.all.Load())[0].left.Load(), "what comes after the end keeps nothing")
}
