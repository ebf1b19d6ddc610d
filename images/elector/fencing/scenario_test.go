package fencing_test

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/electortest"
	"github.com/container-patterns/terraform-provider-pattern/images/elector/store"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/imagetest"
)

// writer.py, beside an elector.
func writer(t *testing.T, e *electortest.Elector, name, resource string) *imagetest.Process {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("there is no python3, which runs writer.py: ", err)
	}
	cmd := exec.Command(python, example("writer.py"))
	cmd.Env = append(os.Environ(), "ELECTOR="+e.URL, "RESOURCE="+resource, "NAME="+name)
	return imagetest.Start(t, cmd)
}

// count is what the writers write.
func count(t *testing.T, resource string) (is struct {
	Count int    `json:"count"`
	By    string `json:"by"`
}) {
	t.Helper()
	if status, body := do(t, "GET", resource, "-", ""); status == 200 {
		require.NoError(t, json.Unmarshal([]byte(body), &is))
	}
	return is
}

func TestASingleWriter(t *testing.T) {
	s := store.NewMemory()
	a := electortest.Start(t, s, "a", false)
	require.Eventually(t, a.Leads, within, tick)
	b := electortest.Start(t, s, "b", false)
	require.Eventually(t, b.Joined, within, tick)
	url, _ := inJavaScript(t, t.TempDir())
	resource := url + "/count"
	wa, wb := writer(t, a, "A", resource), writer(t, b, "B", resource)
	require.Eventually(t, func() bool { return count(t, resource).Count > 3 }, within, tick)
	assert.Contains(t, wa.Said(), "A: leads in term 1")
	assert.NotContains(t, wb.Said(), "leads in")

	t.Run("the next one goes on where the last one stopped", func(t *testing.T) {
		require.NoError(t, a.Resign(t.Context(), "one", "b"))
		require.Eventually(t, func() bool { return count(t, resource).By == "B" }, within, tick)
		require.Eventually(t, func() bool { return strings.Contains(wa.Said(), "A: does not lead") }, within, tick)
		assert.Contains(t, wb.Said(), "B: leads in term 2")
	})

	t.Run("one that was paused is no more the leader when it goes on", func(t *testing.T) {
		wb.Signal(syscall.SIGSTOP)
		require.NoError(t, b.Resign(t.Context(), "one", "a"))
		require.Eventually(t, func() bool { return count(t, resource).By == "A" }, within, tick)
		wb.Signal(syscall.SIGCONT)
		require.Eventually(t, func() bool {
			require.Equal(t, "A", count(t, resource).By, "nothing of B comes after A")
			return strings.Contains(wb.Said(), "B: does not lead")
		}, within, tick)
		status, body := do(t, "PUT", resource, "2", "from the past")
		assert.Equal(t, 412, status, body)
	})

	t.Run("whose elector is killed stops when its time is over", func(t *testing.T) {
		a.Kill()
		require.Eventually(t, func() bool { return strings.HasSuffix(strings.TrimSpace(wa.Said()), "A: does not lead") }, within, tick)
		require.Eventually(t, func() bool { return count(t, resource).By == "B" }, within, tick)
		assert.Contains(t, wb.Said(), "B: leads in term 4")
	})
	require.Zero(t, strings.Count(wa.Said()+wb.Said(), "Traceback"))
}

func TestAWriterIsDemotedBetweenTwoWrites(t *testing.T) {
	e := electortest.Start(t, store.NewMemory(), "a", false)
	require.Eventually(t, e.Leads, within, tick)
	writing, finish := make(chan struct{}), make(chan struct{})
	var begun, ended sync.Once
	end := func() { ended.Do(func() { close(finish) }) }
	defer end()
	resource := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			begun.Do(func() { close(writing) })
			<-finish
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.WriteHeader(http.StatusNotFound) // nobody has counted yet
	}))
	t.Cleanup(resource.Close)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := free.Addr().String()
	require.NoError(t, free.Close())
	_, number, _ := net.SplitHostPort(address)
	t.Setenv("PORT", number)
	w := writer(t, e, "A", resource.URL+"/count")
	<-writing
	demoted := make(chan struct{})
	go func() {
		defer close(demoted)
		status, body := do(t, http.MethodPost, "http://"+address+"/demoted", "-", `{"name": "one", "term": 1}`)
		assert.Equal(t, http.StatusOK, status, body)
	}()
	select {
	case <-demoted:
		require.Fail(t, "it has answered while it writes")
	case <-time.After(100 * time.Millisecond):
	}
	end()
	<-demoted
	assert.Zero(t, w.Terminate())
}
