// Package page is the queue server's page for people: the pipeline as a picture, depth and throughput over time, what is
// in flight, and the dead letters with their errors. It is plain files that need nothing from elsewhere; what it shows and
// does goes through the API, with the client token that its reader gives.
package page

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

//go:embed assets
var files embed.FS

// policy lets the page load and ask only from where it came.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// asset is one file, read once.
type asset struct {
	content     []byte
	contentType string
	etag        string
}

// Handler serves the page at / and its files below /assets/. It answers GET and HEAD, and 404 elsewhere.
func Handler() http.Handler {
	assets := map[string]asset{}
	entries, err := fs.ReadDir(files, "assets")
	if err != nil { // embedded
		panic(err)
	}
	for _, e := range entries {
		content, err := files.ReadFile(path.Join("assets", e.Name()))
		if err != nil { // embedded
			panic(err)
		}
		sum := sha256.Sum256(content)
		assets["/assets/"+e.Name()] = asset{content: content, contentType: contentType(e.Name()), etag: `"` + hex.EncodeToString(sum[:8]) + `"`}
	}
	assets["/"] = assets["/assets/index.html"]
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, ok := assets[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "the page is only read", http.StatusMethodNotAllowed)
			return
		}
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
	})
}

func contentType(name string) string {
	if t := mime.TypeByExtension(path.Ext(name)); t != "" {
		return t
	}
	return "application/octet-stream"
}
