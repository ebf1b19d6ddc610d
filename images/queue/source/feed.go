package source

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/config"
)

// The kinds of sources.
const (
	kindList     = "list"
	kindBucket   = "bucket"
	kindHTTP     = "http"
	kindSchedule = "schedule"
)

// feed is one source as one stage sees it. Each stage has marks of its own: a stage that is added later is given all that
// the source has, and the others nothing twice.
type feed struct {
	stage string
	// prefix of the items' names in the stage.
	prefix string
	kind   string
	// id tells sources of a kind apart, so that another URL is another source.
	id string
	// watch is 0 for what is read once.
	watch time.Duration

	list     map[string]string
	bucket   *config.BucketSource
	http     *config.HTTPSource
	schedule *config.Schedule
}

// key begins the marks of the feed.
func (f feed) key() string { return "source/" + f.stage + "/" + f.kind + "/" + f.id }

// label names the source in messages, as its user wrote it.
func (f feed) label() string {
	switch f.kind {
	case kindBucket:
		return "source.bucket " + f.bucket.URL
	case kindHTTP:
		return "source.http " + f.http.URL
	case kindSchedule:
		return "source.schedule " + f.schedule.Name
	}
	return "source.list"
}

// finite tells whether it ends.
func (f feed) finite() bool { return f.kind != kindSchedule && f.watch == 0 }

// feeds of a configuration.
func feeds(c *config.Config) (out []feed) {
	in := c.Input
	for _, stage := range c.Entries() {
		of := feed{stage: stage, prefix: c.ItemName(config.Source, stage, "")}
		if len(in.List) > 0 {
			f := of
			f.kind, f.id, f.list = kindList, "-", in.List
			out = append(out, f)
		}
		if in.Bucket != nil {
			f := of
			f.kind, f.id, f.bucket, f.watch = kindBucket, short(in.Bucket.URL, in.Bucket.Prefix), in.Bucket, in.Bucket.Watch.Std()
			out = append(out, f)
		}
		if in.HTTP != nil {
			f := of
			f.kind, f.id, f.http, f.watch = kindHTTP, short(in.HTTP.URL), in.HTTP, in.HTTP.Watch.Std()
			out = append(out, f)
		}
		for _, s := range in.Schedule {
			f := of
			f.kind, f.id, f.schedule = kindSchedule, s.Name, &s
			out = append(out, f)
		}
	}
	return out
}

// short digest of what tells sources apart.
func short(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:8])
}
