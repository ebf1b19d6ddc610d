package relay

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/config"
	"github.com/container-patterns/terraform-provider-pattern/images/elector/election"
)

// BenchmarkCopy is about how quickly bytes pass: directly to the application, by the leader's relay, and by that of another.
func BenchmarkCopy(b *testing.B) {
	const size = 1 << 30
	chunk := make([]byte, 256<<10)
	ways(b, func(b *testing.B, address string) {
		b.SetBytes(size)
		for b.Loop() {
			c, err := net.Dial("tcp", address)
			require.NoError(b, err)
			for range size / len(chunk) {
				_, err := c.Write(chunk)
				require.NoError(b, err)
			}
			require.NoError(b, c.(*net.TCPConn).CloseWrite())
			n, err := io.ReadAll(c)
			require.NoError(b, err)
			require.Equal(b, fmt.Sprint(size), string(n))
			c.Close()
		}
	})
}

// BenchmarkConnect is a connection that is used once.
func BenchmarkConnect(b *testing.B) {
	ways(b, func(b *testing.B, address string) {
		for b.Loop() {
			c, err := net.Dial("tcp", address)
			require.NoError(b, err)
			fmt.Fprint(c, "hello")
			require.NoError(b, c.(*net.TCPConn).CloseWrite())
			n, err := io.ReadAll(c)
			require.NoError(b, err)
			require.Equal(b, "5", string(n))
			c.Close()
		}
	})
}

// ways to an application that counts bytes.
func ways(b *testing.B, measure func(b *testing.B, address string)) {
	sink, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	defer sink.Close()
	go func() {
		for {
			c, err := sink.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				n, _ := io.Copy(io.Discard, c)
				fmt.Fprint(c, n)
			}()
		}
	}()
	var relays []*Relay
	var all []*views
	for range 2 {
		v := &views{changed: make(chan struct{})}
		settings := config.Relay{Peer: "127.0.0.1:0", Services: map[string]config.Service{"web": {Election: "one", Listen: "127.0.0.1:0", Target: sink.Addr().String()}}}
		settings.SetDefaults()
		r, err := Listen(b.Context(), Options{Elections: v, Relay: settings, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry()})
		require.NoError(b, err)
		ctx, cancel := context.WithCancel(b.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = r.Run(ctx) })
		defer running.Wait()
		defer cancel()
		relays, all = append(relays, r), append(all, v)
	}
	for i, v := range all {
		v.tell(election.Status{Leader: "a", Address: relays[0].Peers().String(), Term: 1, Self: i == 0})
	}
	for _, way := range []struct{ name, address string }{
		{"direct", sink.Addr().String()}, {"by the leader", relays[0].Address("web").String()}, {"by another", relays[1].Address("web").String()},
	} {
		b.Run(way.name, func(b *testing.B) { measure(b, way.address) })
	}
}
