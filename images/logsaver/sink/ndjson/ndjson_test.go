package ndjson_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/config"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/sink"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/sink/sinktest"
)

// receiver is a server as a user might have one: it takes each idempotency key once.
type receiver struct {
	mu       sync.Mutex
	bodies   map[string][]byte // by key
	requests int
	header   http.Header
	answer   func(w http.ResponseWriter, r *http.Request) (done bool)
}

func (s *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests++
	s.header = r.Header.Clone()
	answer := s.answer
	s.mu.Unlock()
	if answer != nil && answer(w, r) || r.Method != http.MethodPost {
		return
	}
	var body io.Reader = r.Body
	var err error
	switch r.Header.Get("Content-Encoding") {
	case "gzip":
		body, err = gzip.NewReader(r.Body)
	case "zstd":
		body, err = zstd.NewReader(r.Body)
	}
	var content []byte
	if err == nil {
		content, err = io.ReadAll(body)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bodies[r.Header.Get("Idempotency-Key")] = content
}

func receive(t *testing.T, answer func(w http.ResponseWriter, r *http.Request) bool) (*receiver, *httptest.Server) {
	r := &receiver{bodies: map[string][]byte{}, answer: answer}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	return r, server
}

func post(c config.HTTP) config.Sink {
	return config.Sink{HTTP: &c, Timeout: config.Duration(2 * time.Second)}
}

func TestABatchIsAPostOfJSONLines(t *testing.T) {
	for _, compression := range []string{"none", "gzip", "zstd"} {
		t.Run(compression, func(t *testing.T) {
			r, server := receive(t, nil)
			s := sinktest.Open(t, post(config.HTTP{URL: server.URL, Compression: compression, Headers: map[string]string{"X-Team": "shop"}}))
			require.NoError(t, s.Check(t.Context()))
			records := append(sinktest.Lines(30000), "two\nlines", "caf\xe9")
			b := sinktest.Batch("access.log", 0, records...)
			require.NoError(t, s.Write(t.Context(), b))
			assert.Equal(t, "application/x-ndjson", r.header.Get("Content-Type"))
			assert.Equal(t, "shop", r.header.Get("X-Team"))
			first := r.bodies[b.Name]
			require.NotEmpty(t, first)
			lines := bufio.NewScanner(bytes.NewReader(first))
			var got []string
			var last time.Time
			for lines.Scan() {
				var line struct {
					Time                         time.Time
					Source, Input, File, Message string
					Raw                          []byte
				}
				require.NoError(t, json.Unmarshal(lines.Bytes(), &line))
				assert.False(t, line.Time.Before(last))
				last = line.Time
				require.Equal(t, []string{"web-0", "access", "access.log"}, []string{line.Source, line.Input, line.File})
				if line.Raw != nil {
					assert.Equal(t, "caf\ufffd", line.Message)
					line.Message = string(line.Raw)
				}
				got = append(got, line.Message)
			}
			assert.Equal(t, records, got)

			require.NoError(t, s.Write(t.Context(), b))
			assert.Len(t, r.bodies, 1, "the same key")
			assert.True(t, bytes.Equal(first, r.bodies[b.Name]), "the same content")
		})
	}
}

func TestCredentialsAreReadForEachRequest(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	write := func(content string) { require.NoError(t, os.WriteFile(token, []byte(content), 0o600)) }
	_, server := receive(t, func(w http.ResponseWriter, r *http.Request) bool {
		user, password, _ := r.BasicAuth()
		if r.Header.Get("Authorization") == "Bearer second" || user == "me" && password == "second" {
			return false
		}
		w.WriteHeader(http.StatusUnauthorized)
		return true
	})
	for _, auth := range []config.Auth{{BearerTokenFile: token}, {Username: "me", PasswordFile: token}} {
		write("first\n")
		s := sinktest.Open(t, post(config.HTTP{URL: server.URL, Auth: auth}))
		for _, err := range []error{s.Check(t.Context()), s.Write(t.Context(), sinktest.Batch("a.log", 0, "x"))} {
			require.ErrorContains(t, err, "check the credentials")
			assert.True(t, sink.Permanent(err))
			assert.NotContains(t, err.Error(), "first")
		}
		write("second\n")
		require.NoError(t, s.Check(t.Context()))
		require.NoError(t, s.Write(t.Context(), sinktest.Batch("a.log", 0, "x")))
		require.NoError(t, os.Remove(token))
		err := s.Write(t.Context(), sinktest.Batch("a.log", 0, "x"))
		require.ErrorContains(t, err, token)
		assert.True(t, sink.Permanent(err))
	}
}

func TestAServerThatAsksToBeLeftAloneIs(t *testing.T) {
	busy := true
	r, server := receive(t, func(w http.ResponseWriter, r *http.Request) bool {
		if busy {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
		}
		return busy
	})
	s := sinktest.Open(t, post(config.HTTP{URL: server.URL}))
	b := sinktest.Batch("a.log", 0, "x")
	begin := time.Now()
	err := s.Write(t.Context(), b)
	require.ErrorContains(t, err, "429")
	assert.False(t, sink.Permanent(err))
	assert.Equal(t, time.Second, sink.RetryAfter(err))
	busy = false
	err = s.Write(t.Context(), b)
	require.ErrorContains(t, err, "as it asked")
	assert.Equal(t, 1, r.requests, "it was not asked again")
	require.Eventually(t, func() bool { return s.Write(context.Background(), b) == nil }, 5*time.Second, 10*time.Millisecond)
	assert.GreaterOrEqual(t, time.Since(begin), time.Second)
}

func TestAServerThatAnswersBeforeItHasReadAll(t *testing.T) {
	_, server := receive(t, func(w http.ResponseWriter, r *http.Request) bool {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return true
	})
	s := sinktest.Open(t, post(config.HTTP{URL: server.URL}))
	b := sinktest.Batch("a.log", 0, sinktest.Lines(100_000)...)
	err := s.Write(t.Context(), b)
	clear(b.Records) // the race detector sees whether anybody still reads it
	require.Error(t, err)
}

func TestAServerThatHangsCostsOneTimeout(t *testing.T) {
	release := make(chan struct{})
	_, server := receive(t, func(http.ResponseWriter, *http.Request) bool { <-release; return true })
	defer close(release)
	c := post(config.HTTP{URL: server.URL})
	c.Timeout = config.Duration(200 * time.Millisecond)
	s := sinktest.Open(t, c)
	begin := time.Now()
	b := sinktest.Batch("a.log", 0, sinktest.Lines(100_000)...)
	err := s.Write(t.Context(), b)
	clear(b.Records)
	require.ErrorContains(t, err, "no answer in time")
	assert.False(t, sink.Permanent(err))
	assert.Less(t, time.Since(begin), 2*time.Second)
}

func TestARedirectIsNotFollowedWithData(t *testing.T) {
	elsewhere, other := receive(t, nil)
	_, server := receive(t, func(w http.ResponseWriter, r *http.Request) bool {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
		return true
	})
	err := sinktest.Open(t, post(config.HTTP{URL: server.URL})).Write(t.Context(), sinktest.Batch("a.log", 0, "x"))
	require.ErrorContains(t, err, other.URL)
	assert.True(t, sink.Permanent(err))
	assert.Zero(t, elsewhere.requests)
}

func TestTLSTrustsWhomTheConfigurationNames(t *testing.T) {
	r := &receiver{bodies: map[string][]byte{}}
	server := httptest.NewTLSServer(r)
	defer server.Close()
	dir := t.TempDir()
	ca := filepath.Join(dir, "ca.pem")
	b := sinktest.Batch("a.log", 0, "x")

	err := sinktest.Open(t, post(config.HTTP{URL: server.URL})).Write(t.Context(), b)
	require.ErrorContains(t, err, "tls.ca_file")
	assert.True(t, sink.Permanent(err))

	s := sinktest.Open(t, post(config.HTTP{URL: server.URL, TLS: config.TLS{CAFile: ca}}))
	err = s.Write(t.Context(), b)
	require.ErrorContains(t, err, ca)
	assert.True(t, sink.Permanent(err))
	require.NoError(t, os.WriteFile(ca, certificate(server.Certificate()), 0o600))
	require.NoError(t, s.Write(t.Context(), b), "the file is read when it is there")

	// The server comes back with a client's certificate as its condition.
	server.TLS.ClientAuth = tls.RequireAnyClientCert
	server.CloseClientConnections()
	require.Error(t, sinktest.Open(t, post(config.HTTP{URL: server.URL, TLS: config.TLS{CAFile: ca}})).Write(t.Context(), b))
	pair := server.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	require.NoError(t, err)
	keyFile := filepath.Join(dir, "key.pem")
	require.NoError(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600))
	require.NoError(t, sinktest.Open(t, post(config.HTTP{URL: server.URL, TLS: config.TLS{CAFile: ca, CertFile: ca, KeyFile: keyFile}})).Write(t.Context(), b))
}

func certificate(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}
