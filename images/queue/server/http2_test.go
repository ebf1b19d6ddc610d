package server

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
)

func TestHTTP2WithoutTLS(t *testing.T) {
	r := newRig(t, one())
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &protocols}
	t.Cleanup(transport.CloseIdleConnections)
	r.client.CloseIdleConnections()
	r.client = &http.Client{Transport: transport}
	a, err := r.client.Get(r.url + "/")
	require.NoError(t, err)
	assert.Equal(t, 2, a.ProtoMajor)
	_, _ = io.Copy(io.Discard, a.Body)
	a.Body.Close()

	large := strings.Repeat("0123456789", 100000)
	assert.Equal(t, 200, r.ask("PUT", "/v1/items/large", clientToken, strings.NewReader(large)).status)
	assert.Equal(t, large, r.ask("GET", "/v1/stages/work/content/large", clientToken, nil).body)
	require.Len(t, r.receive("work", 1, ""), 1)

	out := r.poll(32, "20s") // of one connection
	require.Eventually(t, func() bool { return r.waiting("work") == 32 }, soon, time.Millisecond)
	for range 32 {
		r.push(api.NewItem{})
	}
	for l := range out {
		assert.Len(t, l, 1)
	}
	// A stream whose body never ends holds no other up, and its end is its own.
	body, feed := io.Pipe()
	var slow sync.WaitGroup
	slow.Go(func() { _ = r.ask("PUT", "/v1/items/slow", clientToken, body) })
	_, err = feed.Write([]byte("x"))
	require.NoError(t, err)
	assert.Equal(t, 200, r.ask("GET", "/v1/status", clientToken, nil).status)
	require.NoError(t, feed.CloseWithError(io.ErrUnexpectedEOF))
	slow.Wait()
	assert.Equal(t, 404, r.ask("GET", "/v1/stages/work/items/slow", clientToken, nil).status, "a body that breaks off is no item")
}
