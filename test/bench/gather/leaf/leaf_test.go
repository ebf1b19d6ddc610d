package main

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLeaf(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })
	l := &leaf{answer: answer(3, 2), stallOf: 1, stallFor: time.Millisecond}
	go l.serve(listener)
	for _, size := range []int{0, 10, bufferBytes - 200, bufferBytes, 10 * bufferBytes} {
		r, err := http.Post("http://"+listener.Addr().String()+"/x", "text/plain", bytes.NewReader(make([]byte, size)))
		require.NoError(t, err)
		body, err := io.ReadAll(r.Body)
		r.Body.Close()
		require.NoError(t, err)
		assert.JSONEq(t, `[{"shard":3,"id":0,"score":0.25},{"shard":3,"id":1,"score":0.0833}]`, string(body))
	}
	assert.EqualValues(t, 1, l.connections.Load())
	assert.JSONEq(t, `{"requests":5,"stalled":5,"connections":1,"per_leaf":[5]}`, counts([]*leaf{l}))
	http.DefaultClient.CloseIdleConnections()
}
