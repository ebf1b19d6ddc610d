// Package page is the queue server's page for people: the pipeline as a picture, depth and throughput over time, what is
// in flight, and the dead letters with their errors. It is plain files that need nothing from elsewhere; what it shows and
// does goes through the API, with the client token that its reader gives.
package page

import (
	"embed"
	"net/http"

	"github.com/container-patterns/terraform-provider-pattern/images/internal/assets"
)

//go:embed assets
var files embed.FS

// Handler serves the page at / and its files below /assets/. It answers GET and HEAD, and 404 elsewhere.
func Handler() http.Handler {
	all := assets.Read(files)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		file, ok := all[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "the page is only read", http.StatusMethodNotAllowed)
			return
		}
		file.ServeHTTP(w, r)
	})
}
