package fencing_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/fencing"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/imagetest"
)

const (
	within = 10 * time.Second
	tick   = 5 * time.Millisecond
)

// example of the scenario.
func example(name string) string {
	return filepath.Join("..", "..", "..", "examples", "scenarios", "single-writer", name)
}

// values are a resource in Go: files in a folder, behind Check.
func values(t *testing.T, folder string) http.Handler {
	t.Helper()
	tokens, err := fencing.Open(filepath.Join(folder, "tokens"))
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{name}", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, filepath.Join(folder, r.PathValue("name")))
	})
	mux.HandleFunc("PUT /{name}", func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		if err == nil {
			err = os.WriteFile(filepath.Join(folder, r.PathValue("name")), raw, 0o600)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	return fencing.Check(tokens, mux)
}

// inGo starts it, and gives its URL.
func inGo(t *testing.T, folder string) (url string, stop func()) {
	t.Helper()
	s := httptest.NewServer(values(t, folder))
	t.Cleanup(s.Close)
	return s.URL, s.Close
}

var port = regexp.MustCompile(`listening on (\d+)`)

// inJavaScript starts resource.mjs, and gives its URL.
func inJavaScript(t *testing.T, folder string) (url string, stop func()) {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("there is no node, which runs resource.mjs: ", err)
	}
	p := imagetest.Start(t, exec.Command(node, example("resource.mjs"), folder, "0"))
	require.Eventually(t, func() bool { return port.MatchString(p.Said()) }, within, tick)
	return "http://127.0.0.1:" + port.FindStringSubmatch(p.Said())[1], func() {
		http.DefaultClient.CloseIdleConnections()
		assert.Zero(t, p.Terminate())
	}
}

// do a request with a token, or none if it is "-".
func do(t *testing.T, method, url, token, body string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if !assert.NoError(t, err) {
		return 0, ""
	}
	if token != "-" {
		request.Header.Set(fencing.Header, token)
	}
	response, err := http.DefaultClient.Do(request)
	if !assert.NoError(t, err) {
		return 0, ""
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	assert.NoError(t, err)
	return response.StatusCode, string(raw)
}

// TestConformance is what a resource must do, in whatever language.
func TestConformance(t *testing.T) {
	for _, language := range []struct {
		name  string
		start func(t *testing.T, folder string) (string, func())
	}{{"Go", inGo}, {"JavaScript", inJavaScript}} {
		t.Run(language.name, func(t *testing.T) {
			folder := t.TempDir()
			url, stop := language.start(t, folder)
			const most = "18446744073709551615"
			steps := func(all [][5]string) {
				for _, s := range all {
					status, body := do(t, s[0], url+s[1], s[2], s[3])
					require.Equal(t, s[4], strconv.Itoa(status), "%v: %s", s, body)
				}
			}
			steps([][5]string{
				{"GET", "/a", "-", "", "404"},
				{"PUT", "/a", "-", "none", "428"},
				{"PUT", "/a", "", "empty", "400"}, {"PUT", "/a", "x", "", "400"}, {"PUT", "/a", "0", "", "400"}, {"PUT", "/a", "-1", "", "400"}, {"PUT", "/a", "+1", "", "400"},
				{"PUT", "/a", "1.0", "", "400"}, {"PUT", "/a", "07", "", "400"}, {"PUT", "/a", "1e3", "", "400"}, {"PUT", "/a", "0x7", "", "400"}, {"PUT", "/a", "7, 8", "", "400"},
				{"PUT", "/a", "18446744073709551616", "", "400"},
				{"GET", "/a", "-", "", "404"}, // nothing of it was written
				{"PUT", "/a", "7", "seven", "204"}, {"PUT", "/a", "7", "seven again", "204"},
				{"PUT", "/a", "6", "six", "412"},
				{"PUT", "/b", "6", "another", "204"}, // of another resource
				{"GET", "/a", "3", "", "200"},        // who reads is not checked
			})
			_, body := do(t, "GET", url+"/a", "-", "")
			assert.Equal(t, "seven again", body)
			_, body = do(t, "PUT", url+"/a", "6", "six")
			var why fencing.Refusal
			require.NoError(t, json.Unmarshal([]byte(body), &why))
			assert.Equal(t, fencing.Refusal{Error: "the fencing token 6 is smaller than 7: another one leads by now", Token: 6, Highest: 7}, why)
			_, body = do(t, "PUT", url+"/a", "-", "")
			assert.JSONEq(t, `{"error": "say the term that you lead in: Fencing-Token: TERM"}`, body)

			stop()
			url, stop = language.start(t, folder)
			steps([][5]string{{"PUT", "/a", "6", "it is kept over a restart", "412"}, {"PUT", "/a", "8", "eight", "204"}, {"PUT", "/a", "7", "seven", "412"}})

			t.Run("tokens are exact", func(t *testing.T) {
				steps([][5]string{{"PUT", "/c", most, "most", "204"}, {"PUT", "/c", "18446744073709551614", "less", "412"}, {"PUT", "/c", most, "most", "204"}})
				_, body := do(t, "PUT", url+"/c", "18446744073709551614", "less")
				var why fencing.Refusal
				require.NoError(t, json.Unmarshal([]byte(body), &why))
				assert.Equal(t, uint64(1<<64-1), why.Highest)
				assert.Equal(t, uint64(1<<64-2), why.Token)
			})

			t.Run("what is written at last is of the highest", func(t *testing.T) {
				var group sync.WaitGroup
				for i := range 8 {
					group.Go(func() {
						for range 25 {
							token := fmt.Sprint(1 + rand.IntN(50))
							status, _ := do(t, "PUT", url+"/d", token, token)
							assert.Contains(t, []int{204, 412}, status)
						}
						if i == 0 {
							status, _ := do(t, "PUT", url+"/d", "51", "51")
							assert.Equal(t, 204, status)
						}
					})
				}
				group.Wait()
				_, body := do(t, "GET", url+"/d", "-", "")
				assert.Equal(t, "51", body)
			})
			stop()
		})
	}
}
