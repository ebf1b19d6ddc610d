// Package checkpoint keeps on disk how far each file has been delivered, and which ranges are on their way.
//
// A range is noted before it is written to the sink, with all that decides its records. After a crash the very same
// range is read and written again under the very same name: in an object store the second write replaces the first, so
// nothing is lost and nothing is there twice.
package checkpoint

import (
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/follow"
)

// State is the content of the checkpoint.
type State struct {
	Version int `json:"version"`
	// Saver is a random name, made with the state. It makes identities unique among all savers that share a bucket.
	Saver string `json:"saver"`
	// Source is what Config.Source was when the state was made.
	Source string `json:"source"`
	// Next is the number of the next identity.
	Next uint64 `json:"next"`
	// Inputs are those whose files have all been noted once: what appears later is new, and read from its beginning.
	Inputs []string `json:"inputs"`
	Files  []File   `json:"files"`
}

// File is what is known of one file, from its first sight until it is gone and delivered.
type File struct {
	// Identity names the file in object names.
	Identity string `json:"identity"`
	// Input and Rel name the stream; Path is where the file was seen last.
	Input string     `json:"input"`
	Rel   string     `json:"rel"`
	Path  string     `json:"path"`
	Key   follow.Key `json:"key"`
	// Head is the fingerprint of the first bytes, Tail that of the bytes before Offset.
	Head follow.Print `json:"head"`
	Tail follow.Print `json:"tail"`
	// Truncated tells that the file was cut since: only a copy of it can still give what is missing.
	Truncated bool `json:"truncated,omitempty"`
	// Waits tells that it may be a copy of another file, and is not read until that is clear.
	Waits bool `json:"waits,omitempty"`
	// Offset is the end of what was acknowledged without a gap.
	Offset int64 `json:"offset"`
	// Pending are the ranges behind Offset that were cut, in order, each beginning where the one before it ends.
	Pending []Range `json:"pending,omitempty"`
}

// Range is a batch that was cut.
type Range struct {
	End int64 `json:"end"`
	// Open, First and Last repeat what was decided when the range was cut.
	Open  bool         `json:"open,omitempty"`
	First time.Time    `json:"first"`
	Last  time.Time    `json:"last"`
	Tail  follow.Print `json:"tail"`
	// Done tells that it was acknowledged while one before it was not.
	Done bool `json:"done,omitempty"`
}
