package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
)

// away is a store that can be away.
type away struct {
	store.Store
	err error
}

func (a *away) Enqueue(ctx context.Context, items []store.NewItem) ([]store.Enqueued, error) {
	if a.err != nil {
		return nil, a.err
	}
	return a.Store.Enqueue(ctx, items)
}

func TestAStoreThatIsAwayIsSaid(t *testing.T) {
	r := newRig(t, one())
	r.push(api.NewItem{Name: "a"})
	require.NoError(t, r.store.Close())
	for _, q := range [][3]string{
		{"POST", "/v1/items", `{"items":[{}]}`}, {"PUT", "/v1/items/b", "x"}, {"GET", "/v1/stages/work/items/a", ""},
		{"POST", "/v1/stages/work/purge", `{"state":"waiting"}`}, {"GET", "/v1/outputs", ""},
	} {
		a := r.ask(q[0], q[1], clientToken, q[2])
		assert.Equal(t, 503, a.status, q[1]+a.body)
		assert.Equal(t, "unavailable", a.code())
		assert.Equal(t, "1", a.header.Get("Retry-After"))
	}
}

func TestErrorsOfTheStoreHaveTheirStatus(t *testing.T) {
	s := &away{}
	r := newRig(t, one(), func(r *rig) { r.wrap = func(inner store.Store) store.Store { s.Store = inner; return s } })
	for err, status := range map[error]int{
		store.ErrUnavailable: 503, fmt.Errorf("x: %w", store.ErrNoSpace): 507, context.DeadlineExceeded: 503, errors.New("a bug"): 500,
	} {
		s.err = err
		assert.Equal(t, status, r.ask("POST", "/v1/items", clientToken, `{"items":[{"name":"a"}]}`).status)
	}
	s.err = nil
	assert.False(t, r.push(api.NewItem{Name: "a"})[0].Duplicate, "none of them has enqueued anything")
}

func TestAFullDiskLosesNothing(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting a small disk needs root")
	}
	at := t.TempDir()
	require.NoError(t, syscall.Mount("tmpfs", at, "tmpfs", 0, "size=6m"))
	t.Cleanup(func() { assert.NoError(t, syscall.Unmount(at, syscall.MNT_DETACH)) })
	r := newRig(t, one(), func(r *rig) { r.directory = at })
	var taken []string
	full := 0
	text := strings.Repeat("x", 20000)
	for n := 0; full < 5 && n < 2000; n++ {
		name := fmt.Sprint("item-", n)
		a := r.ask("POST", "/v1/items", clientToken, api.EnqueueRequest{Items: []api.NewItem{{Name: name, Text: text}}})
		switch a.status {
		case 200:
			taken = append(taken, name)
		case 507:
			full++
			assert.Equal(t, "no_space", a.code())
			if full == 1 {
				up := r.ask("PUT", "/v1/items/blob", clientToken, strings.NewReader(strings.Repeat("x", 4<<20)))
				assert.Equal(t, 507, up.status, up.body)
			}
		default:
			t.Fatalf("want 200 or 507, got %d: %s", a.status, a.body)
		}
	}
	require.Equal(t, 5, full, "the disk was not full")
	require.NotEmpty(t, taken)
	require.NoError(t, syscall.Mount("tmpfs", at, "tmpfs", syscall.MS_REMOUNT, "size=64m"))
	require.Eventually(t, func() bool {
		return r.ask("POST", "/v1/items", clientToken, `{"items":[{"name":"after"}]}`).status == 200
	}, soon, 100*time.Millisecond, "it goes on when there is room")
	for _, name := range taken {
		require.Equal(t, text, r.ask("GET", "/v1/stages/work/content/"+name, clientToken, nil).body, name)
	}
	assert.EqualValues(t, len(taken)+1, r.status().Stages[0].Counts[api.Waiting])
}

func TestADownloadThatBreaksOffIsCut(t *testing.T) {
	r := newRig(t, one())
	large := strings.Repeat("0123456789", 200000)
	require.Equal(t, 200, r.ask("PUT", "/v1/items/a", clientToken, strings.NewReader(large)).status)
	// The content loses its second half behind the server's back.
	cut := 0
	require.NoError(t, filepath.Walk(filepath.Join(r.directory, "payloads"), func(path string, i os.FileInfo, err error) error {
		if err == nil && !i.IsDir() {
			cut++
			return os.Truncate(path, i.Size()/2)
		}
		return err
	}))
	require.Equal(t, 1, cut)
	q, err := http.NewRequest("GET", r.url+"/v1/stages/work/content/a", nil)
	require.NoError(t, err)
	q.Header.Set("Authorization", "Bearer "+clientToken)
	a, err := r.client.Do(q)
	require.NoError(t, err)
	defer a.Body.Close()
	raw, err := io.ReadAll(a.Body)
	if a.ContentLength != int64(len(large)/2) { // the size is asked of the folder, so a file that is short is whole for it
		assert.Error(t, err)
	}
	assert.Less(t, len(raw), len(large))
}

// broken is content that fails in the middle.
type broken struct{ Payloads }

func (b broken) Open(context.Context, store.Payload) (io.ReadCloser, error) {
	return io.NopCloser(io.MultiReader(strings.NewReader(strings.Repeat("x", 100000)), failing{})), nil
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("the bucket is away") }

func TestContentWhoseBucketFailsInTheMiddleIsCut(t *testing.T) {
	r := newRig(t, one())
	r.push(api.NewItem{Name: "a", Text: strings.Repeat("x", 100000)})
	r.s.o.Payloads = broken{r.s.o.Payloads}
	a := r.ask("GET", "/v1/stages/work/content/a", clientToken, nil)
	assert.Error(t, a.err, "a part is not taken for the whole")
	assert.Contains(t, r.log.String(), "the bucket is away")
}

func TestABodyThatNobodyIsAllowedToSendHasADeadline(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for real deadlines")
	}
	r := newRig(t, one())
	waiting := map[string]net.Conn{}
	for name, request := range map[string]string{
		"headers that never end":                 "POST /v1/items HTTP/1.1\r\nHost: x\r\nX-A: ",
		"a body that never comes, with no token": "POST /v1/items HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n",
		"a body that never comes":                "POST /v1/items HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + clientToken + "\r\nContent-Length: 10\r\n\r\n{",
		"a content that never comes":             "PUT /v1/items/a HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + clientToken + "\r\nContent-Length: 10\r\n\r\nx",
		"chunks that never come":                 "POST /v1/payloads HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + workerToken + "\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n",
	} {
		c, err := net.Dial("tcp", r.address)
		require.NoError(t, err)
		defer c.Close()
		_, err = io.WriteString(c, request)
		require.NoError(t, err)
		require.NoError(t, c.SetReadDeadline(time.Now().Add(bodyTime+headerTimeout+5*time.Second)))
		waiting[name] = c
	}
	for name, c := range waiting { // all at once, since each takes long
		_, err := io.Copy(io.Discard, bufio.NewReader(c))
		var late net.Error
		assert.False(t, errors.As(err, &late) && late.Timeout(), "%s: the server has ended the connection", name)
	}
}

func TestNothingIsLeftRunning(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 3 {
		r := newRig(t, scaled())
		r.push(api.NewItem{Name: "a"})
		out := r.poll(16, "100ms")
		for range out {
		}
		c, err := net.Dial("tcp", r.address)
		require.NoError(t, err)
		c.Close()
		r.stop()
	}
	if !assert.Eventually(t, func() bool { return runtime.NumGoroutine() <= before+2 }, soon, 50*time.Millisecond) {
		b := make([]byte, 1<<20)
		t.Log(string(b[:runtime.Stack(b, true)]))
	}
}

func TestLargeBodiesTakeTurns(t *testing.T) {
	c := one()
	c.Limits.BodyBytes = 64 << 20 // more than all may hold at once
	r := newRig(t, c)
	body := `{"items":[{"text":"` + strings.Repeat("x", 20<<20) + `"}]}`
	answers := make(chan answered, 6)
	for range cap(answers) {
		go func() { answers <- r.ask("POST", "/v1/items", clientToken, body) }()
	}
	for range cap(answers) {
		a := <-answers
		require.NoError(t, a.err)
		assert.Equal(t, 200, a.status)
	}
	require.Eventually(t, func() bool {
		if !r.s.large.TryAcquire(largeBytes) {
			return false
		}
		r.s.large.Release(largeBytes)
		return true
	}, soon, time.Millisecond, "all that was held is given back")
}
