// Package assets serves the files of an image's page for people. A page needs nothing from elsewhere.
package assets

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

// policy lets a page load and ask only from where it came.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// A File is read once.
type File struct {
	content     []byte
	contentType string
	etag        string
}

// Read the embedded files of the folder assets, by the paths that they are served at: "/assets/NAME", and "/" for index.html.
func Read(embedded fs.FS) map[string]*File {
	entries, err := fs.ReadDir(embedded, "assets")
	if err != nil { // embedded
		panic(err)
	}
	all := map[string]*File{}
	for _, e := range entries {
		content, err := fs.ReadFile(embedded, path.Join("assets", e.Name()))
		if err != nil { // embedded
			panic(err)
		}
		sum := sha256.Sum256(content)
		all["/assets/"+e.Name()] = &File{content: content, contentType: contentType(e.Name()), etag: `"` + hex.EncodeToString(sum[:8]) + `"`}
	}
	all["/"] = all["/assets/index.html"]
	return all
}

func contentType(name string) string {
	if path.Ext(name) == ".js" { // whatever the system's tables say
		return "text/javascript; charset=utf-8"
	}
	if t := mime.TypeByExtension(path.Ext(name)); t != "" {
		return t
	}
	return "application/octet-stream"
}

func (f *File) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.contentType)
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-cache") // asked for again each time, and answered with 304
	h.Set("ETag", f.etag)
	if strings.Contains(r.Header.Get("If-None-Match"), f.etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = w.Write(f.content) // a reader that has gone away is no fault
}
