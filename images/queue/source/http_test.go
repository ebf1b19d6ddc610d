package source

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/internal/settings"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/config"
)

// server of the source API, which may be broken.
type server struct {
	*httptest.Server
	mu     sync.Mutex
	items  map[string]string
	broken map[string]http.HandlerFunc // by path below /api/v1
	asked  map[string]int
}

func newServer(t *testing.T, items map[string]string) *server {
	s := &server{items: items, broken: map[string]http.HandlerFunc{}, asked: map[string]int{}}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func (s *server) serve(w http.ResponseWriter, r *http.Request) {
	path, ok := strings.CutPrefix(r.URL.EscapedPath(), "/queue/api/v1/items")
	s.mu.Lock()
	s.asked[path]++
	broken := s.broken[path]
	s.mu.Unlock()
	if broken != nil {
		broken(w, r)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if path == "" && ok {
		names := []string{}
		for n := range s.items {
			names = append(names, n)
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"kind": "ItemList", "items": names})
		return
	}
	name, err := url.PathUnescape(strings.TrimPrefix(path, "/"))
	content, there := s.items[name]
	if !ok || err != nil || !there {
		http.NotFound(w, r)
		return
	}
	_, _ = w.Write([]byte(content))
}

func (s *server) breaks(path string, how http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken[path] = how
	if how == nil {
		delete(s.broken, path)
	}
}

func (s *server) source(watch time.Duration) *config.Config {
	return pipeline(config.Input{HTTP: &config.HTTPSource{URL: s.URL + "/queue/", Watch: settings.Duration(watch)}})
}

func answer(code int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		_, _ = w.Write([]byte(text))
	}
}

func TestTheBooksSourceIsRead(t *testing.T) {
	q := newQueue(t)
	items := numbered(300)
	items["with space/and ümlaut?&%.png"] = "strange"
	s := newServer(t, items)
	r := q.server(s.source(0))
	require.NoError(t, q.look(r))
	got := q.items("a")
	assert.Len(t, got, 301)
	for name, content := range map[string]string{"item-0123": "content of 123", "with space/and ümlaut?&%.png": "strange"} {
		item, err := q.Get(ctx, "a", name)
		require.NoError(t, err)
		assert.Equal(t, content, string(item.Payload.Data))
	}
	st := q.status(r)
	assert.True(t, st.Finite && st.Read)
	assert.EqualValues(t, 301, st.Items)

	q.finish("a")
	require.NoError(t, q.look(q.server(s.source(0))))
	assert.Empty(t, q.items("a"), "once is once")
	assert.Equal(t, 1, s.asked["/item-0123"], "and no content is fetched twice")
}

func TestAWatchedSourceBringsWhatIsNew(t *testing.T) {
	q := newQueue(t)
	s := newServer(t, numbered(5))
	r := q.server(s.source(time.Minute))
	require.NoError(t, q.look(r))
	assert.False(t, q.status(r).Finite)
	q.finish("a")
	s.mu.Lock()
	s.items = numbered(7)
	s.mu.Unlock()
	r = q.server(s.source(time.Minute))
	require.NoError(t, q.look(r))
	assert.Len(t, q.items("a"), 2)
	assert.EqualValues(t, 7, q.status(r).Items)
}

func TestAnItemThatIsBrokenStopsNoOther(t *testing.T) {
	for _, c := range []struct {
		name string
		how  http.HandlerFunc
		want string
	}{
		{"an error", answer(500, "no disk"), "500 Internal Server Error: no disk"},
		{"not there", answer(404, ""), "404 Not Found"},
		{"an answer that is cut off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("half"))
		}, "unexpected EOF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := newQueue(t)
			s := newServer(t, numbered(2500))
			s.breaks("/item-1234", c.how)
			s.breaks("/item-0000", c.how)
			r := q.server(s.source(0))
			err := q.look(r)
			require.ErrorContains(t, err, "2 of its items could not be read, the first: get "+s.URL)
			require.ErrorContains(t, err, c.want)
			assert.Len(t, q.items("a"), 2498)
			assert.False(t, q.status(r).Read, "it is not read to its end")
			s.breaks("/item-1234", nil)
			s.breaks("/item-0000", nil)
			require.NoError(t, q.look(r))
			assert.Len(t, q.items("a"), 2500)
			assert.True(t, q.status(r).Read)
			assert.Equal(t, 1, s.asked["/item-1000"], "what was had is not fetched again")
		})
	}
}

func TestASourceThatIsBrokenIsAskedLittle(t *testing.T) {
	q := newQueue(t)
	s := newServer(t, numbered(5000))
	for name := range s.items {
		s.breaks("/"+name, answer(503, "away"))
	}
	require.ErrorContains(t, q.look(q.server(s.source(0))), "503 Service Unavailable: away")
	assert.LessOrEqual(t, len(s.asked), batch+1)
}

func TestListsThatAreNoneAreRefused(t *testing.T) {
	for _, c := range []struct{ name, answer, want string }{
		{"text", "hello", `must be {"items": ["NAME", ...]}`},
		{"another shape", `{"names": []}`, `has no "items"`},
		{"numbers", `{"items": [1]}`, `must be {"items": ["NAME", ...]}`},
		{"cut off", `{"items": ["a", `, `must be {"items": ["NAME", ...]}`},
		{"endless", `{"items": ["` + strings.Repeat("x", listBytes) + `"]}`, "is larger than 16777216 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := newQueue(t)
			s := newServer(t, nil)
			s.breaks("", answer(200, c.answer))
			r := q.server(s.source(0))
			require.ErrorContains(t, q.look(r), c.want)
			assert.False(t, q.status(r).Read)
		})
	}
}

func TestASourceThatComesBackIsRead(t *testing.T) {
	q := newQueue(t)
	s := newServer(t, numbered(3))
	s.breaks("", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "77")
		w.WriteHeader(429)
	})
	in := s.source(0)
	in.Input.List = map[string]string{"other": ""}
	r := q.server(in)
	pauses, waits := make(chan time.Time), make(chan time.Duration, 100)
	r.after = func(d time.Duration) <-chan time.Time { waits <- d; return pauses }
	running, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() { r.Run(running); close(ended) }()
	assert.Equal(t, 77*time.Second, <-waits, "it is left alone for as long as it asks")
	require.Eventually(t, func() bool { return len(q.items("a")) == 1 }, 10*time.Second, 10*time.Millisecond, "the other source is read meanwhile")
	st := q.status(r)
	assert.Equal(t, fmt.Sprintf("source.http %s/queue/: get %s/queue/api/v1/items: 429 Too Many Requests: ", s.URL, s.URL), st.Error)
	assert.True(t, st.Finite)
	assert.False(t, st.Read)
	s.breaks("", nil)
	pauses <- time.Now()
	require.Eventually(t, func() bool { return q.status(r).Read }, 10*time.Second, 10*time.Millisecond)
	assert.Empty(t, q.status(r).Error)
	assert.Len(t, q.items("a"), 4)
	stop()
	<-ended
}
