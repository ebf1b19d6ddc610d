// Package page is a gatherer's page for people: the tree below it as a picture, with the state of each child and replica, their
// latencies, and what the answers of the last minute lacked. It is plain files that need nothing from elsewhere, and only reads.
//
// A gatherer knows its own children. What is below a parent is asked of one of its replicas, by a request with the header
// contract.HeaderTree at the port of its requests, at most about once a second and only while somebody looks.
package page

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/contract"
)

//go:embed assets
var files embed.FS

// policy lets the page load and ask only from where it came.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Register the page: GET / is it, below /assets/ is what it needs, and GET /tree is what it shows, as JSON (Node).
func (w *Watcher) Register(handle func(pattern string, handler http.Handler)) {
	handle("GET /tree", w)
	entries, err := fs.ReadDir(files, "assets")
	if err != nil { // embedded
		panic(err)
	}
	for _, e := range entries {
		file := newAsset(path.Join("assets", e.Name()))
		handle("GET /assets/"+e.Name(), file)
		if e.Name() == "index.html" {
			handle("GET /{$}", file)
		}
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

// asset is one file, read once.
type asset struct {
	content     []byte
	contentType string
	etag        string
}

func newAsset(name string) *asset {
	content, err := files.ReadFile(name)
	if err != nil { // embedded
		panic(err)
	}
	sum := sha256.Sum256(content)
	a := &asset{content: content, contentType: mime.TypeByExtension(path.Ext(name)), etag: `"` + hex.EncodeToString(sum[:8]) + `"`}
	if strings.HasSuffix(name, ".js") { // whatever the system's tables say
		a.contentType = "text/javascript; charset=utf-8"
	}
	return a
}

func (a *asset) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", a.contentType)
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-cache") // asked for again each time, and answered with 304
	h.Set("ETag", a.etag)
	if strings.Contains(r.Header.Get("If-None-Match"), a.etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = w.Write(a.content) // a reader that has gone away is no fault
}
