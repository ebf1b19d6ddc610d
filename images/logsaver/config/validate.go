package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/go-multierror"
)

var namePattern = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// faults collects what is wrong, each under the path that the user wrote.
type faults struct{ all *multierror.Error }

func (f *faults) add(path, format string, args ...any) {
	f.all = multierror.Append(f.all, fmt.Errorf("%s: %s", path, fmt.Sprintf(format, args...)))
}

func (f *faults) oneOf(path, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		f.add(path, "must be one of %s, got %q", strings.Join(allowed, ", "), value)
	}
}

func (f *faults) positive(path string, value Duration) {
	if value <= 0 {
		f.add(path, "must be longer than 0s, got %s", value)
	}
}

func (f *faults) absolute(path, value string) {
	switch {
	case value == "":
		f.add(path, "is required")
	case !filepath.IsAbs(value):
		f.add(path, "must be an absolute path, got %q", value)
	}
}

// Validate returns every fault at once, or nil. It expects the defaults to be set (SetDefaults) and changes nothing.
func (c *Config) Validate() error {
	f := &faults{}
	if len(c.Inputs) == 0 {
		f.add("inputs", "at least one input is required")
	}
	names := map[string]int{}
	for i := range c.Inputs {
		path := fmt.Sprintf("inputs[%d]", i)
		c.Inputs[i].validate(f, path)
		if first, ok := names[c.Inputs[i].Name]; ok {
			f.add(path+".name", "%q is already the name of inputs[%d]", c.Inputs[i].Name, first)
		} else {
			names[c.Inputs[i].Name] = i
		}
	}
	f.positive("poll", c.Poll)
	f.absolute("state_dir", c.StateDir)
	c.Sink.validate(f)
	c.validateLimits(f)
	if _, _, err := net.SplitHostPort(c.Management.Address); err != nil {
		f.add("management.address", "must be HOST:PORT, got %q", c.Management.Address)
	}
	f.oneOf("management.profiling", c.Management.Profiling, "loopback", "anywhere", "off")
	f.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	f.positive("shutdown.grace", c.Shutdown.Grace)
	return f.all.ErrorOrNil()
}

// validateLimits checks the numbers that bound memory, disk and time.
func (c *Config) validateLimits(f *faults) {
	if c.Batch.MaxBytes < 4<<10 || c.Batch.MaxBytes > 64<<20 {
		f.add("batch.max_bytes", "must be between 4Ki and 64Mi, got %s", c.Batch.MaxBytes)
	}
	for i := range c.Inputs {
		if limit := c.Inputs[i].MaxLineBytes; limit > c.Batch.MaxBytes {
			f.add(fmt.Sprintf("inputs[%d].max_line_bytes", i), "%s is above batch.max_bytes (%s): no batch could hold such a line",
				limit, c.Batch.MaxBytes)
		}
	}
	f.positive("batch.max_age", c.Batch.MaxAge)
	f.absolute("spool.dir", c.Spool.Dir)
	if c.Spool.MaxBytes < c.Batch.MaxBytes {
		f.add("spool.max_bytes", "%s is below batch.max_bytes (%s): no batch would fit", c.Spool.MaxBytes, c.Batch.MaxBytes)
	}
	f.positive("spool.after", c.Spool.After)
	f.oneOf("spool.on_full", c.Spool.OnFull, OnFullBlock, OnFullDropOldest, OnFullDropNewest)
	f.positive("retry.min", c.Retry.Min)
	if c.Retry.Max < c.Retry.Min {
		f.add("retry.max", "%s is below retry.min (%s)", c.Retry.Max, c.Retry.Min)
	}
}

func (in *Input) validate(f *faults, path string) {
	if !namePattern.MatchString(in.Name) {
		f.add(path+".name", "must be 1 to 63 lower-case letters, digits or dashes, got %q", in.Name)
	}
	if len(in.Paths) == 0 {
		f.add(path+".paths", "at least one path is required")
	}
	for j, pattern := range in.Paths {
		at := fmt.Sprintf("%s.paths[%d]", path, j)
		f.absolute(at, pattern)
		f.glob(at, pattern)
	}
	for j, pattern := range in.Exclude {
		f.glob(fmt.Sprintf("%s.exclude[%d]", path, j), pattern)
	}
	for j, suffix := range in.Rotated {
		at := fmt.Sprintf("%s.rotated[%d]", path, j)
		f.glob(at, suffix)
		if strings.Contains(suffix, "/") {
			f.add(at, "must not contain a slash: a rotation keeps the directory, got %q", suffix)
		}
	}
	if in.MaxLineBytes < 256 {
		f.add(path+".max_line_bytes", "must be at least 256, got %s", in.MaxLineBytes)
	}
	f.oneOf(path+".from", in.From, FromBeginning, FromEnd)
	if in.Multiline != nil {
		in.Multiline.validate(f, path+".multiline")
	}
}

func (f *faults) glob(path, pattern string) {
	if _, err := filepath.Match(pattern, ""); err != nil {
		f.add(path, "is not a valid glob: %q", pattern)
	}
}

func (m *Multiline) validate(f *faults, path string) {
	switch {
	case m.Preset == "" && m.Pattern == "":
		f.add(path, "one of preset and pattern is required")
	case m.Preset != "" && m.Pattern != "":
		f.add(path, "preset and pattern exclude each other")
	case m.Preset != "":
		f.oneOf(path+".preset", m.Preset, PresetJava, PresetPython, PresetGo)
	default:
		if _, err := regexp.Compile(m.Pattern); err != nil {
			f.add(path+".pattern", "is not a regular expression: %v", err)
		}
	}
	if m.MaxLines < 2 {
		f.add(path+".max_lines", "must be at least 2, got %d", m.MaxLines)
	}
	f.positive(path+".timeout", m.Timeout)
}

// checkURL accepts an URL of one of the schemes, with no credentials in it.
func checkURL(text string, schemes ...string) error {
	parsed, err := url.Parse(text)
	switch {
	case text == "":
		return errors.New("is required")
	case err != nil:
		return errors.New("is not a URL")
	case !slices.Contains(schemes, parsed.Scheme):
		return fmt.Errorf("must begin with one of %s://", strings.Join(schemes, "://, "))
	case parsed.User != nil:
		return errors.New("must not carry credentials: use environment variables or files")
	case parsed.Scheme != "file" && parsed.Host == "":
		return errors.New("has no host or bucket name")
	case parsed.Scheme == "file" && (parsed.Host != "" || !filepath.IsAbs(parsed.Path)):
		return errors.New("must be file:///ABSOLUTE/DIRECTORY")
	}
	return nil
}
