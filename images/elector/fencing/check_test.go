package fencing_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/client"
	"github.com/container-patterns/terraform-provider-pattern/images/elector/electortest"
	"github.com/container-patterns/terraform-provider-pattern/images/elector/fencing"
	"github.com/container-patterns/terraform-provider-pattern/images/elector/store"
)

func TestTheSameTokenIsHandledAtTheSameTime(t *testing.T) {
	both := make(chan struct{})
	s := httptest.NewServer(fencing.Check(&fencing.Memory{}, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		select {
		case both <- struct{}{}: // waits for the other
		case <-both:
		}
	})))
	defer s.Close()
	done := make(chan int)
	for range 2 {
		go func() { status, _ := do(t, "POST", s.URL, "1", ""); done <- status }()
	}
	assert.Equal(t, 200, <-done)
	assert.Equal(t, 200, <-done)
}

func TestAGreaterTokenWaitsForNobodyWhoIsStuck(t *testing.T) {
	var handling atomic.Int32
	causes := make(chan error, 2)
	entered := make(chan struct{}, 2)
	s := httptest.NewServer(fencing.Check(&fencing.Memory{}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, int32(1), handling.Add(1), "one term at a time")
		defer handling.Add(-1)
		entered <- struct{}{}
		if _, err := io.ReadAll(r.Body); err != nil {
			causes <- context.Cause(r.Context())
			<-time.After(50 * time.Millisecond) // it puts in order what it has begun
		}
	})))
	defer s.Close()
	old, err := net.Dial("tcp", s.Listener.Addr().String())
	require.NoError(t, err)
	defer old.Close()
	_, err = io.WriteString(old, "PUT /a HTTP/1.1\r\nHost: x\r\nFencing-Token: 1\r\nContent-Length: 1000\r\n\r\npaused here")
	require.NoError(t, err)
	<-entered
	begun := time.Now()
	status, _ := do(t, "PUT", s.URL+"/a", "2", "new")
	assert.Equal(t, 200, status)
	assert.GreaterOrEqual(t, time.Since(begun), 50*time.Millisecond)
	assert.Less(t, time.Since(begun), within)
	require.ErrorIs(t, <-causes, fencing.ErrFenced)
	require.NoError(t, old.SetReadDeadline(time.Now().Add(within)))
	said, err := io.ReadAll(old)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "its connection is closed")
	assert.Contains(t, string(said), "HTTP/1.1 ", "after an answer")
	status, _ = do(t, "PUT", s.URL+"/a", "1", "old")
	assert.Equal(t, 412, status)
}

func TestSmallerTokensAreRefusedWhileAGreaterOneWaits(t *testing.T) {
	entered, leave := make(chan struct{}, 2), make(chan struct{})
	s := httptest.NewServer(fencing.Check(&fencing.Memory{}, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { entered <- struct{}{}; <-leave })))
	defer s.Close()
	done := make(chan int, 2)
	put := func(token string) { status, _ := do(t, "PUT", s.URL+"/a", token, ""); done <- status }
	go put("1")
	<-entered
	go put("2")
	require.Eventually(t, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, "PUT", s.URL+"/a", nil)
		require.NoError(t, err)
		fencing.Token(request, 1)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return false
		}
		defer response.Body.Close()
		return response.StatusCode == 412
	}, within, tick)
	select {
	case <-done:
		require.Fail(t, "neither is through")
	default:
	}
	close(leave)
	assert.Equal(t, 200, <-done)
	assert.Equal(t, 200, <-done)
}

func TestWhatCannotBeCheckedIsNotDone(t *testing.T) {
	folder := t.TempDir()
	tokens, err := fencing.Open(folder)
	require.NoError(t, err)
	s := httptest.NewServer(fencing.Check(tokens, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "/fine", r.URL.Path)
	})))
	defer s.Close()
	status, _ := do(t, "PUT", s.URL+"/fine", "1", "")
	require.Equal(t, 200, status)
	files, err := filepath.Glob(filepath.Join(folder, "*"))
	require.NoError(t, err)
	require.Len(t, files, 1, "nothing else is left")
	require.NoError(t, os.WriteFile(files[0], []byte(`{"resource":"/fi`), 0o600))
	status, body := do(t, "PUT", s.URL+"/fine", "2", "")
	assert.Equal(t, 503, status)
	assert.Contains(t, body, "does not have the token of")
	require.NoError(t, os.RemoveAll(folder))
	status, _ = do(t, "PUT", s.URL+"/other", "2", "")
	assert.Equal(t, 503, status, "it could not be kept")
}

func TestTransport(t *testing.T) {
	s := store.NewMemory()
	a := electortest.Start(t, s, "a", false)
	require.Eventually(t, a.Leads, within, tick)
	b := electortest.Start(t, s, "b", false)
	require.Eventually(t, b.Joined, within, tick)
	url, _ := inGo(t, t.TempDir())
	put := func(by *electortest.Elector, body string) error {
		c := http.Client{Transport: &fencing.Transport{Elector: &client.Client{URL: by.URL}, Election: "one"}}
		request, err := http.NewRequestWithContext(t.Context(), "PUT", url+"/a", strings.NewReader(body))
		require.NoError(t, err)
		response, err := c.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		said, _ := bufio.NewReader(response.Body).ReadString('\n')
		if response.StatusCode != http.StatusNoContent {
			return errors.New(said)
		}
		return nil
	}
	require.NoError(t, put(a, "a"))
	require.ErrorIs(t, put(b, "b"), client.ErrNotLeader)
	require.NoError(t, a.Resign(t.Context(), "one", "b"))
	require.Eventually(t, b.Leads, within, tick)
	require.ErrorIs(t, put(a, "a"), client.ErrNotLeader)
	require.NoError(t, put(b, "b"))
	status, _ := do(t, "PUT", url+"/a", "1", "late")
	assert.Equal(t, 412, status)
	_, body := do(t, "GET", url+"/a", "-", "")
	assert.Equal(t, "b", body)
	b.Kill()
	require.ErrorContains(t, put(b, "b"), "it is not known who leads one")
}
