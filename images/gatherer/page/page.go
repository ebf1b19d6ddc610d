// Package page is a gatherer's page for people: the tree below it as a picture, with the state of each child and replica, their
// latencies, and what the answers of the last minute lacked. It is plain files that need nothing from elsewhere, and only reads.
//
// A gatherer knows its own children. What is below a parent is asked of one of its replicas, by a request with the header
// contract.HeaderTree at the port of its requests, at most about once a second and only while somebody looks.
package page

import (
	"context"
	"embed"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/contract"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/assets"
)

//go:embed assets
var files embed.FS

// Register the page: GET / is it, below /assets/ is what it needs, and GET /tree is what it shows, as JSON (Node).
func (w *Watcher) Register(handle func(pattern string, handler http.Handler)) {
	handle("GET /tree", w)
	for at, file := range assets.Read(files) {
		if at == "/" {
			at = "/{$}"
		}
		handle("GET "+at, file)
	}
}

// ServeHTTP answers with the tree as JSON. Who asks may say by contract.HeaderDeadline how long it may take.
func (w *Watcher) ServeHTTP(to http.ResponseWriter, r *http.Request) {
	given := treeTime
	if ms, err := strconv.ParseInt(r.Header.Get(contract.HeaderDeadline), 10, 64); err == nil && ms > 0 && ms < given.Milliseconds() {
		given = time.Duration(ms) * time.Millisecond
	}
	ctx, cancel := context.WithTimeout(r.Context(), given)
	defer cancel()
	body, err := json.Marshal(w.Tree(ctx))
	if err != nil { // plain data
		panic(err)
	}
	h := to.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	_ = http.NewResponseController(to).SetWriteDeadline(time.Now().Add(writeTime)) // every connection of these servers has deadlines
	_, _ = to.Write(body)                                                          // a reader that has gone away is no fault
}

const writeTime = 5 * time.Second
