package config

import (
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-multierror"
	"github.com/robfig/cron/v3"
)

// stageName is a DNS label: it is the name of a group of the engine.
var stageName = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,28}[a-z0-9])?$`)

// Reserved names cannot be those of stages: they are the source's and the server's own groups.
var Reserved = []string{Source, "queue", "main"}

// Bounds of what a stage may ask for.
const (
	maxConcurrency = 256
	maxWorkers     = 1000
	maxAttempts    = 1000
)

// faults collects what is wrong, each under the path that the user wrote.
type faults struct{ all *multierror.Error }

func (f *faults) add(path, format string, args ...any) {
	f.all = multierror.Append(f.all, fmt.Errorf("%s: %s", path, fmt.Sprintf(format, args...)))
}

func (f *faults) atLeast(path string, value, least Duration) {
	if value < least {
		f.add(path, "must be at least %s, got %s", least, value)
	}
}

func (f *faults) between(path string, value, least, most int) {
	if value < least || value > most {
		f.add(path, "must be %d to %d, got %d", least, most, value)
	}
}

func (f *faults) absolute(path, value string) {
	if !filepath.IsAbs(value) {
		f.add(path, "must be an absolute path, got %q", value)
	}
}

// Validate returns every fault at once, or nil. It expects the defaults to be set (SetDefaults) and changes nothing.
func (c *Config) Validate() error {
	f := &faults{}
	if err := c.Settings.Validate(); err != nil {
		f.all = multierror.Append(f.all, err)
	}
	f.absolute("tokens.client_file", c.Tokens.ClientFile)
	f.absolute("tokens.worker_file", c.Tokens.WorkerFile)
	c.Store.validate(f)
	c.Payloads.validate(f)
	c.validateStages(f)
	c.Input.validate(f)
	if c.Sink != nil {
		bucketURL(f, "sink.url", c.Sink.URL)
		prefix(f, "sink.prefix", c.Sink.Prefix)
	}
	c.Limits.validate(f)
	f.atLeast("retention", c.Retention, Duration(time.Minute))
	f.atLeast("deduplication_window", c.DeduplicationWindow, 0)
	f.atLeast("report", c.Report, Duration(100*time.Millisecond))
	c.validateScale(f)
	return f.all.ErrorOrNil()
}

func (s *Store) validate(f *faults) {
	switch {
	case (s.Embedded == nil) == (s.Postgres == nil):
		f.add("store", "exactly one of embedded, postgres must be set")
	case s.Embedded != nil:
		f.absolute("store.embedded.directory", s.Embedded.Directory)
	default:
		f.absolute("store.postgres.url_file", s.Postgres.URLFile)
		if !regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`).MatchString(s.Postgres.Schema) {
			f.add("store.postgres.schema", "%q must be lower-case letters, digits and underscores, at most 63", s.Postgres.Schema)
		}
	}
}

func (p *Payloads) validate(f *faults) {
	if p.URL == "" {
		f.add("payloads.url", "is required with a postgres store: all servers must reach the payloads")
	} else {
		bucketURL(f, "payloads.url", p.URL)
	}
	prefix(f, "payloads.prefix", p.Prefix)
	f.between("payloads.inline_bytes", p.InlineBytes, 1, 256<<10)
}

func (c *Config) validateStages(f *faults) {
	if len(c.Stages) == 0 {
		f.add("stages", "at least one stage is required")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Stages)) {
		s, at := c.Stages[name], fmt.Sprintf("stages[%q]", name)
		switch {
		case slices.Contains(Reserved, name):
			f.add(at, "%q means something else here: choose another name", name)
		case !stageName.MatchString(name):
			f.add(at, "%q must be lower-case letters, digits and dashes, at most 30, beginning with a letter and not ending with a dash", name)
		}
		seen := map[string]bool{}
		for i, from := range s.From {
			at := fmt.Sprintf("%s.from[%d]", at, i)
			switch {
			case seen[from]:
				f.add(at, "%q is there twice", from)
			case from == name:
				f.add(at, "a stage cannot take from itself")
			case from != Source && !c.has(from):
				f.add(at, "there is no stage %q (there are: %s, and %s)", from, strings.Join(slices.Sorted(maps.Keys(c.Stages)), ", "), Source)
			}
			seen[from] = true
		}
		s.validate(f, at)
	}
	if loop := c.cycle(); loop != "" && strings.Count(loop, "->") > 1 { // one that takes from itself was said above
		f.add("stages", "go round in a circle: %s", loop)
	}
}

func (s *Stage) validate(f *faults, at string) {
	f.atLeast(at+".timeout", s.Timeout, Duration(100*time.Millisecond))
	f.atLeast(at+".visibility", s.Visibility, Duration(time.Second))
	f.between(at+".max_attempts", s.MaxAttempts, 1, maxAttempts)
	f.atLeast(at+".backoff.min", s.Backoff.Min, 0)
	if s.Backoff.Max < s.Backoff.Min {
		f.add(at+".backoff.max", "%s is below backoff.min, which is %s", s.Backoff.Max, s.Backoff.Min)
	}
	w := s.Workers
	if w.Min == nil || w.Max == nil {
		return // the defaults were not set
	}
	f.between(at+".workers.min", *w.Min, 0, maxWorkers)
	f.between(at+".workers.max", *w.Max, 0, maxWorkers)
	if *w.Min > *w.Max {
		f.add(at+".workers.min", "%d is above workers.max, which is %d", *w.Min, *w.Max)
	}
	f.between(at+".workers.concurrency", w.Concurrency, 1, maxConcurrency)
	f.atLeast(at+".workers.target_wait", w.TargetWait, Duration(100*time.Millisecond))
	f.atLeast(at+".workers.scale_in_after", w.ScaleInAfter, 0)
}

func (in *Input) validate(f *faults) {
	if b := in.Bucket; b != nil {
		bucketURL(f, "source.bucket.url", b.URL)
		prefix(f, "source.bucket.prefix", b.Prefix)
		watch(f, "source.bucket.watch", b.Watch)
	}
	for _, name := range slices.Sorted(maps.Keys(in.List)) {
		if err := CheckName(name); err != nil {
			f.add(fmt.Sprintf("source.list[%q]", name), "%v", err)
		}
	}
	if h := in.HTTP; h != nil {
		u, err := url.Parse(h.URL)
		switch {
		case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
			f.add("source.http.url", "%q must be http://HOST/... or https://HOST/...", h.URL)
		case u.User != nil:
			f.add("source.http.url", "must not hold credentials")
		}
		watch(f, "source.http.watch", h.Watch)
	}
	names := map[string]bool{}
	for i, s := range in.Schedule {
		at := fmt.Sprintf("source.schedule[%d]", i)
		if err := CheckName(s.Name); err != nil {
			f.add(at+".name", "%v", err)
		}
		if names[s.Name] {
			f.add(at+".name", "%q is the name of an earlier schedule", s.Name)
		}
		names[s.Name] = true
		if _, err := cron.ParseStandard(s.Cron); err != nil {
			f.add(at+".cron", `%q is not understood: write five fields ("0 3 * * *") or a descriptor ("@hourly", "@every 90s"): %v`, s.Cron, err)
		}
		if _, err := time.LoadLocation(s.TimeZone); err != nil {
			f.add(at+".time_zone", "%q is no time zone of the IANA's", s.TimeZone)
		}
	}
}

// Finite tells whether there are sources and all of them end.
func (in *Input) Finite() bool {
	some := in.Bucket != nil || in.List != nil || in.HTTP != nil
	endless := len(in.Schedule) > 0 || in.Bucket != nil && in.Bucket.Watch > 0 || in.HTTP != nil && in.HTTP.Watch > 0
	return some && !endless
}

func watch(f *faults, at string, d Duration) {
	if d != 0 {
		f.atLeast(at, d, Duration(100*time.Millisecond))
	}
}

func prefix(f *faults, at, value string) {
	if strings.HasPrefix(value, "/") || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' }) {
		f.add(at, "%q must not begin with a slash or hold control characters", value)
	}
}

// bucketURL judges the form; the bucket itself is judged when it is opened.
func bucketURL(f *faults, at, value string) {
	u, err := url.Parse(value)
	switch {
	case err != nil:
		f.add(at, "%q is not a URL: %v", value, err)
	case u.User != nil:
		f.add(at, "must not hold credentials: give them as variables")
	case u.Scheme == "file" && (u.Host != "" || !filepath.IsAbs(u.Path)):
		f.add(at, "%q must be file:///DIRECTORY", value)
	case slices.Contains([]string{"s3", "gs", "azblob"}, u.Scheme) && u.Host == "":
		f.add(at, "%q names no bucket: write %s://NAME", value, u.Scheme)
	case !slices.Contains([]string{"s3", "gs", "azblob", "file"}, u.Scheme):
		f.add(at, "%q must begin with s3://, gs://, azblob:// or file://", value)
	}
}

func (l *Limits) validate(f *faults) {
	if l.ItemBytes < 1 {
		f.add("limits.item_bytes", "must be at least 1, got %d", l.ItemBytes)
	}
	if l.BodyBytes < 64<<10 || l.BodyBytes > 256<<20 {
		f.add("limits.body_bytes", "must be 65536 to 268435456, got %d", l.BodyBytes)
	}
	f.between("limits.batch", l.Batch, 1, 10000)
	f.between("limits.requests_per_second", l.RequestsPerSecond, 0, 1<<30)
	f.between("limits.connections", l.Connections, 16, 1<<20)
}

func (c *Config) validateScale(f *faults) {
	if c.Scale == nil {
		return
	}
	if c.Scale.Instance == "" {
		f.add("scale.instance", "must not be empty")
	}
	for _, stage := range slices.Sorted(maps.Keys(c.Scale.Groups)) {
		if !c.has(stage) {
			f.add(fmt.Sprintf("scale.groups[%q]", stage), "there is no such stage")
		}
	}
}
