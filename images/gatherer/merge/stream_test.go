package merge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/config"
	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/contract"
)

// client is a Sink in memory.
type client struct {
	mu       sync.Mutex
	body     bytes.Buffer
	sent     string // by the last Flush
	header   http.Header
	coverage contract.Coverage
	strict   bool
	failures []string
}

func newClientSink(shards int) *client {
	return &client{header: http.Header{}, coverage: contract.Coverage{Shards: shards, Answered: shards, Complete: true}}
}

func (c *client) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.body.Write(p)
}
func (c *client) Header() http.Header { return c.header }
func (c *client) Flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent = c.body.String()
}

func (c *client) Sent() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sent
}

var errStrict = errors.New("too few shards are left")

func (c *client) Failed(index int, err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failures = append(c.failures, fmt.Sprintf("%d: %v", index, err))
	c.coverage.Answered--
	c.coverage.Complete = false
	c.coverage.Missing = append(c.coverage.Missing, contract.Missing{Shard: fmt.Sprint(index), Reason: "broken off"})
	if c.strict {
		return errStrict
	}
	return nil
}

func (c *client) Coverage() contract.Coverage {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.coverage
}

func streams(bodies ...string) []Stream {
	out := make([]Stream, len(bodies))
	for i, b := range bodies {
		var body io.Reader = strings.NewReader(b)
		if whole, cut := strings.CutSuffix(b, "BREAK"); cut {
			body = io.MultiReader(strings.NewReader(whole), broken{})
		}
		out[i] = Stream{Child: fmt.Sprint("shard ", i), Shards: []int{i}, ContentType: "text/x-" + fmt.Sprint(i), Body: body}
	}
	return out
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestStreams(t *testing.T) {
	byT := config.Merge{NDJSON: &config.NDJSON{By: "t"}}
	for _, c := range []struct {
		name   string
		merge  config.Merge
		root   bool
		bodies []string
		want   string
		fails  []string
	}{
		{"bodies follow each other", config.Merge{Concat: &config.Concat{Separator: "--"}}, true, []string{"a", "", "b"}, "a--b", nil},
		{"one that never began is passed over", config.Merge{Concat: &config.Concat{Separator: "--"}}, true, []string{"BREAK", "b"}, "b", []string{"0: unexpected EOF"}},
		{"lines are sorted over all", byT, false, []string{"{\"t\":1}\n\n{\"t\":4}", "{\"t\":2}\n", "", "{\"t\":3}\n{\"t\":4,\"x\":2}\n{}"}, "{\"t\":1}\n{\"t\":2}\n{\"t\":3}\n{\"t\":4}\n{\"t\":4,\"x\":2}\n{}\n", nil},
		{"the greatest first", config.Merge{NDJSON: &config.NDJSON{By: "t", Order: "desc", Limit: 3}}, false, []string{"{\"t\":\"b\"}\n{\"t\":\"a\"}", "{\"t\":\"c\"}\n{\"t\":\"aa\"}"}, "{\"t\":\"c\"}\n{\"t\":\"b\"}\n{\"t\":\"aa\"}\n", nil},
		{"the root tells the coverage, and a line that is cut is none", byT, true, []string{"{\"t\":1}\n11BREAK", "{\"t\":2}\n"}, "{\"t\":1}\n{\"t\":2}\n" + `{"coverage":{"shards":2,"answered":1,"complete":false,"missing":[{"shard":"0","reason":"broken off"}]}}` + "\n", []string{"0: unexpected EOF"}},
		{"a stream that is not sorted", byT, false, []string{"{\"t\":2}\n{\"t\":1}\n"}, "{\"t\":2}\n", []string{`0: it is not sorted by "t"`}},
		{"a line that is no JSON", byT, false, []string{"{\"t\":2}\n{", "{\"t\":3}"}, "{\"t\":2}\n{\"t\":3}\n", []string{"0: a line: it is not valid JSON"}},
		{"a line that is too long", byT, false, []string{`"` + strings.Repeat("x", 1<<10) + `"` + "\n", "{\"t\":3}"}, "{\"t\":3}\n", []string{"0: a line has more than 1024 bytes (limits.line_bytes)"}},
		{"a long line at the end", byT, false, []string{`"` + strings.Repeat("x", 1<<15) + `"`}, "", []string{"0: a line has more than 1024 bytes (limits.line_bytes)"}},
		{"a scatter/gather below ends with its coverage", byT, false, []string{"{\"t\":2}\n{\"coverage\":{\"shards\":2,\"answered\":2,\"complete\":true}}\n"}, "{\"t\":2}\n", nil},
		{"which may be partial", byT, false, []string{"{\"t\":2}\n{\"coverage\":{\"shards\":2,\"answered\":1,\"complete\":false}}\n"}, "{\"t\":2}\n", []string{"0: it is of 1 shards of 2"}},
		{"a field of that name is no coverage", byT, false, []string{"{\"coverage\":7}\n{\"coverage\":{\"shards\":2},\"t\":null}\n"}, "{\"coverage\":7}\n{\"coverage\":{\"shards\":2},\"t\":null}\n", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, s := New(c.merge, limits)
			out := newClientSink(len(c.bodies))
			in := below("")
			in.Root = c.root
			require.NoError(t, s.Stream(t.Context(), in, streams(c.bodies...), out))
			assert.Equal(t, c.want, out.body.String())
			assert.Equal(t, c.want, out.Sent(), "all is flushed")
			assert.Equal(t, c.fails, out.failures)
		})
	}
}

func TestConcatBreaksOff(t *testing.T) {
	_, s := New(config.Merge{Concat: &config.Concat{}}, limits)
	out := newClientSink(2)
	require.ErrorIs(t, s.Stream(t.Context(), below(""), streams("aBREAK", "b"), out), io.ErrUnexpectedEOF)
	out = newClientSink(2)
	require.NoError(t, s.Stream(t.Context(), below(""), streams("", "b"), out))
	assert.Equal(t, "text/x-1", out.header.Get("Content-Type"), "of the first that is there")
}

func TestAStrictClientStopsTheMerge(t *testing.T) {
	for _, by := range []string{"", "t"} {
		_, s := New(config.Merge{NDJSON: &config.NDJSON{By: by}}, limits)
		out := newClientSink(2)
		out.strict = true
		require.ErrorIs(t, s.Stream(t.Context(), below(""), streams("{\"t\":1}\nBREAK", "{\"t\":2}\n"), out), errStrict)
	}
}

// pipe is a stream that goes on until it is closed.
func pipe(i int) (Stream, *io.PipeWriter) {
	r, w := io.Pipe()
	return Stream{Shards: []int{i}, Body: r}, w
}

func TestLinesAsTheyCome(t *testing.T) {
	_, s := New(config.Merge{NDJSON: &config.NDJSON{Limit: 3}}, limits)
	out := newClientSink(2)
	quiet, _ := pipe(0) // never says anything, and nobody waits for it in the end
	live, w := pipe(1)
	done := make(chan error, 1)
	go func() { done <- s.Stream(t.Context(), below(""), []Stream{quiet, live}, out) }()
	_, _ = io.WriteString(w, "1\n2\n")
	require.Eventually(t, func() bool { return out.Sent() == "1\n2\n" }, 5*time.Second, time.Millisecond, "a line does not wait for the next")
	_, _ = io.WriteString(w, "3\n4\n")
	select {
	case err := <-done:
		require.NoError(t, err)
	case <-time.After(5 * time.Second):
		t.Fatal("it waits for streams though it has enough")
	}
	assert.Equal(t, "1\n2\n3\n", out.body.String())
	assert.Empty(t, out.failures)
}

func TestStreamsOfParentsGiveTheSame(t *testing.T) {
	merge := func(root bool, bodies ...string) string {
		_, s := New(config.Merge{NDJSON: &config.NDJSON{By: "t", Limit: 40}}, limits)
		in, out := below(""), newClientSink(len(bodies))
		in.Root = root
		require.NoError(t, s.Stream(t.Context(), in, streams(bodies...), out))
		require.Empty(t, out.failures)
		text, _, _ := strings.Cut(out.body.String(), `{"coverage"`)
		return text
	}
	leaves := make([]string, 6)
	for i := range 60 {
		leaves[i*7%6] += fmt.Sprintf("{\"t\":%d,\"x\":%d}\n", i/4, i)
	}
	assert.Equal(t, merge(true, leaves...), merge(true, merge(false, leaves[:2]...), merge(false, leaves[2:]...)))
}

// forever gives lines without end, from no memory.
type forever struct {
	n, left    int
	line, rest []byte
}

func (f *forever) Read(p []byte) (int, error) {
	if len(f.rest) == 0 {
		if f.left == 0 {
			return 0, io.EOF
		}
		f.left--
		f.n++
		f.line = strconv.AppendInt(append(f.line[:0], `{"t":`...), int64(f.n), 10)
		f.line = append(f.line, ",\"text\":\"some text that makes a line of a usual length, as those of logs are\"}\n"...)
		f.rest = f.line
	}
	n := copy(p, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

type nowhere struct{ *client }

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }

func TestMemoryDoesNotGrowWithStreams(t *testing.T) {
	const n, lines = 100, 1000 // 9 MB
	_, s := New(config.Merge{NDJSON: &config.NDJSON{By: "t"}}, limits)
	all := make([]Stream, n)
	for i := range all {
		all[i] = Stream{Shards: []int{i}, Body: &forever{left: lines}}
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	require.NoError(t, s.Stream(t.Context(), below(""), all, nowhere{newClientSink(n)}))
	runtime.ReadMemStats(&after)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(n*2*readerBytes), "of all that was ever allocated: the reader of each, and little else")
}

func BenchmarkStreams(b *testing.B) {
	for _, n := range []int{4, 100} {
		b.Run(fmt.Sprint(n, " sorted streams, per line"), func(b *testing.B) {
			_, s := New(config.Merge{NDJSON: &config.NDJSON{By: "t"}}, limits)
			all := make([]Stream, n)
			for i := range all {
				all[i] = Stream{Shards: []int{i}, Body: &forever{left: b.N/n + 1}}
			}
			b.SetBytes(90)
			b.ReportAllocs()
			b.ResetTimer()
			if err := s.Stream(b.Context(), below(""), all, nowhere{newClientSink(n)}); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// developer's server that joins records, and answers meanwhile.
func streamingServer(t *testing.T, handle func(w http.ResponseWriter, r *contract.Records)) config.Merge {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		records, err := contract.NewRecords(r.Body, 1<<20)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		handle(w, records)
	}))
	t.Cleanup(server.Close)
	return config.Merge{Container: &config.Container{URL: server.URL, Format: "ndjson", By: "t"}}
}

func echo(w http.ResponseWriter, r *contract.Records) {
	w.Header().Set("Content-Type", "text/plain")
	w.Header().Set("X-Method", r.Asked.Request.Method)
	for {
		one, err := r.Next()
		if err != nil {
			return
		}
		fmt.Fprintf(w, "%v %s\n", one.Shards, one.Record)
		_ = http.NewResponseController(w).Flush()
	}
}

func TestAStreamingContainer(t *testing.T) {
	t.Run("it answers while records come", func(t *testing.T) {
		_, s := New(streamingServer(t, echo), limits)
		out := newClientSink(2)
		a, toA := pipe(0)
		b, toB := pipe(1)
		done := make(chan error, 1)
		go func() { done <- s.Stream(t.Context(), below(""), []Stream{a, b}, out) }()
		_, _ = io.WriteString(toA, "{\"t\":1}\n")
		_, _ = io.WriteString(toB, "{\"t\":2}\n")
		_, _ = io.WriteString(toA, "{\"t\":3}\n")
		require.Eventually(t, func() bool { return out.Sent() == "[0] {\"t\":1}\n[1] {\"t\":2}\n" }, 5*time.Second, time.Millisecond)
		toA.Close()
		toB.Close()
		require.NoError(t, <-done)
		assert.Equal(t, "[0] {\"t\":1}\n[1] {\"t\":2}\n[0] {\"t\":3}\n", out.body.String())
		assert.Equal(t, "text/plain", out.header.Get("Content-Type"))
		assert.Equal(t, "GET", out.header.Get("X-Method"))
	})
	t.Run("it has enough, and nobody waits for the rest", func(t *testing.T) {
		_, s := New(streamingServer(t, func(w http.ResponseWriter, r *contract.Records) {
			one, _ := r.Next()
			_, _ = w.Write(one.Record)
		}), limits)
		out := newClientSink(2)
		a, toA := pipe(0)
		go func() {
			for {
				if _, err := io.WriteString(toA, "{\"t\":1}\n"); err != nil {
					return
				}
			}
		}()
		quiet, toQuiet := pipe(1)
		_, _ = a, quiet
		done := make(chan error, 1)
		go func() { done <- s.Stream(t.Context(), below(""), []Stream{a, quiet}, out) }()
		_, _ = io.WriteString(toQuiet, "{\"t\":0}\n")
		_, _ = io.WriteString(toQuiet, "{\"t\":2}\n")
		require.NoError(t, <-done)
		assert.JSONEq(t, `{"t":0}`, out.body.String())
		assert.Empty(t, out.failures)
	})
	t.Run("a strict client gets its own error", func(t *testing.T) {
		_, s := New(streamingServer(t, echo), limits)
		out := newClientSink(2)
		out.strict = true
		require.ErrorIs(t, s.Stream(t.Context(), below(""), streams("{\"t\":1}\nBREAK", "{\"t\":2}"), out), errStrict)
	})
	t.Run("it refuses", func(t *testing.T) {
		_, s := New(streamingServer(t, func(w http.ResponseWriter, _ *contract.Records) {
			http.Error(w, "no room", http.StatusInsufficientStorage)
		}), limits)
		require.ErrorContains(t, s.Stream(t.Context(), below(""), streams("{\"t\":1}\n"), newClientSink(1)), "no room")
	})
	t.Run("it dies in the middle", func(t *testing.T) {
		_, s := New(streamingServer(t, func(w http.ResponseWriter, _ *contract.Records) {
			_, _ = io.WriteString(w, "half")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}), limits)
		require.ErrorContains(t, s.Stream(t.Context(), below(""), streams("{\"t\":1}\n"), newClientSink(1)), "did not answer")
	})
}

func TestAContainer(t *testing.T) {
	seen := make(chan *contract.MergeRequest, 1)
	var mode atomic.Value
	mode.Store("")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m, err := contract.ReadMerge(r.Header.Get("Content-Type"), r.Body, 1<<20)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		switch mode.Load() {
		case "refuse":
			http.Error(w, "why not", http.StatusTeapot)
		case "large":
			_, _ = w.Write(make([]byte, 1<<20+1))
		case "large, untold":
			for range 33 {
				_, _ = w.Write(make([]byte, 1<<15))
				_ = http.NewResponseController(w).Flush()
			}
		case "late":
			<-r.Context().Done()
		default:
			seen <- m
			w.Header().Set("Content-Type", "text/plain")
			w.Header().Set("X-More", "a")
			w.Header().Set("Connection", "X-Hop")
			w.Header().Set("X-Hop", "b")
			w.WriteHeader(http.StatusAccepted)
			_, _ = io.WriteString(w, "merged")
		}
	}))
	defer server.Close()
	in := below("q=1")
	in.Body = []byte("\xff")
	in.Root = true
	all := parts(`{"a": 1}`, `[2]`)
	all[1].Shards, all[1].Header = []int{1, 2}, http.Header{"X-A": {"1"}}
	coverage := contract.Coverage{Shards: 3, Answered: 3, Complete: true}
	for _, format := range []string{"", "json", "multipart"} {
		mode.Store("")
		m, _ := New(config.Merge{Container: &config.Container{URL: server.URL, Format: format}}, limits)
		answer, err := m.Merge(t.Context(), in, all, coverage)
		require.NoError(t, err)
		assert.Equal(t, Answer{Status: 202, ContentType: "text/plain", Header: http.Header{"X-More": {"a"}}, Body: []byte("merged")}, *answer)
		got := <-seen
		assert.True(t, got.Root)
		assert.Equal(t, coverage, got.Coverage)
		assert.InDelta(t, 60000, got.DeadlineMS, 10000)
		assert.Equal(t, contract.Original{Method: "GET", Path: "/", Query: "q=1", Headers: http.Header{}, BodyBase64: []byte("\xff")}, got.Request)
		require.Len(t, got.Parts, 2)
		assert.Equal(t, contract.MergePart{Child: "shard 1", Shards: []int{1, 2}, Status: 200, ContentType: "application/json", Headers: http.Header{"X-A": {"1"}}, Body: []byte("[2]")}, got.Parts[1])
	}
	m, _ := New(config.Merge{Container: &config.Container{URL: server.URL}}, limits)
	for what, want := range map[string]string{"refuse": "418", "large": "limits.answer_bytes", "large, untold": "limits.answer_bytes", "late": "policy.deadline"} {
		mode.Store(what)
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		_, err := m.Merge(ctx, in, all, coverage)
		cancel()
		require.ErrorContains(t, err, want, what)
		assert.False(t, errors.As(err, new(*PartError)))
	}
	server.Close()
	_, err := m.Merge(t.Context(), in, all, coverage)
	require.ErrorContains(t, err, "is it up")
	assert.True(t, slices.Equal(all[0].Body, []byte(`{"a": 1}`)))
}
