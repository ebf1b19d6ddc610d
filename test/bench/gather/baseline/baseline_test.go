package baseline

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestHandler(t *testing.T) {
	var shards []string
	for i := range 3 {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil || r.URL.Path == "/fail" && i == 1 {
				http.Error(w, "no", http.StatusInternalServerError)
				return
			}
			fmt.Fprintf(w, `[{"shard":%d,"asked":%q}]`, i, r.Header.Get("Pattern-Shard")+r.URL.RequestURI()+r.Header.Get("Accept")+string(body))
		}))
		t.Cleanup(s.Close)
		shards = append(shards, s.Listener.Addr().String())
	}
	root := httptest.NewServer(New(shards, 10*time.Second))
	t.Cleanup(root.Close)

	response, err := http.Post(root.URL+"/a?b=c", "text/plain", strings.NewReader("hello"))
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	assert.JSONEq(t, `[{"shard":0,"asked":"0/a?b=chello"},{"shard":1,"asked":"1/a?b=chello"},{"shard":2,"asked":"2/a?b=chello"}]`, string(body))

	failed, err := http.Get(root.URL + "/fail")
	require.NoError(t, err)
	defer failed.Body.Close()
	assert.Equal(t, http.StatusBadGateway, failed.StatusCode)
}
