package elector

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/api"
)

// resource is what elections are about: a value for each, which only a leader may change. It takes a token that is not smaller than
// one that it has seen, as the documentation says of what checks tokens.
type resource struct {
	checks bool
	url    string
	http   *http.Client

	mu    sync.Mutex
	all   map[string]content
	stale int // writes that were taken without a check, and would not have been with one
}

type content struct {
	Token uint64 `json:"token"`
	Value uint64 `json:"value"`
	Seen  uint64 `json:"seen"`
}

func newResource(t testing.TB, checks bool) *resource {
	t.Helper()
	r := &resource{checks: checks, all: map[string]content{}, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}}}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	t.Cleanup(r.http.CloseIdleConnections)
	r.url = server.URL
	return r
}

func (r *resource) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	is := r.all[request.URL.Path]
	if request.Method == http.MethodPut {
		token, err := strconv.ParseUint(request.Header.Get(api.HeaderToken), 10, 64)
		var value uint64
		if err == nil {
			_, err = fmt.Fscan(request.Body, &value)
		}
		switch {
		case err != nil:
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		case token < is.Seen && r.checks:
			w.WriteHeader(http.StatusPreconditionFailed)
			return
		case token < is.Seen:
			r.stale++
		}
		is = content{Token: token, Value: value, Seen: max(token, is.Seen)}
		r.all[request.URL.Path] = is
	}
	_ = json.NewEncoder(w).Encode(is) // who has gone needs no answer
}

// write as an application does, with the token that it was told.
func (r *resource) write(election string, token, value uint64) (accepted bool, err error) {
	request, err := http.NewRequestWithContext(context.Background(), http.MethodPut, r.url+"/"+election, strings.NewReader(strconv.FormatUint(value, 10)))
	if err != nil {
		return false, err
	}
	request.Header.Set(api.HeaderToken, strconv.FormatUint(token, 10))
	response, err := r.http.Do(request)
	if err != nil {
		return false, err
	}
	defer response.Body.Close()
	switch response.StatusCode {
	case http.StatusOK:
		return true, json.NewDecoder(response.Body).Decode(&content{})
	case http.StatusPreconditionFailed:
		return false, nil
	}
	return false, fmt.Errorf("the resource says %s", response.Status)
}

func (r *resource) read(election string) (c content, err error) {
	response, err := r.http.Get(r.url + "/" + election)
	if err != nil {
		return c, err
	}
	defer response.Body.Close()
	return c, json.NewDecoder(response.Body).Decode(&c)
}
