package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/go-multierror"
)

// MaxConcurrency bounds what one replica works on at once: beyond it more replicas are the better answer.
const MaxConcurrency = 1000

var (
	namePattern     = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
	variablePattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// faults collects what is wrong, each under the path that the user wrote.
type faults struct{ all *multierror.Error }

func (f *faults) add(path, format string, args ...any) {
	f.all = multierror.Append(f.all, fmt.Errorf("%s: %s", path, fmt.Sprintf(format, args...)))
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
	if err := c.Settings.Validate(); err != nil {
		var many *multierror.Error
		if errors.As(err, &many) {
			f.all = multierror.Append(f.all, many.Errors...)
		} else {
			f.all = multierror.Append(f.all, err)
		}
	}
	if !namePattern.MatchString(c.Stage) {
		f.add("stage", "must be 1 to 63 lower-case letters, digits or dashes, got %q", c.Stage)
	}
	f.absolute("queue.endpoints_file", c.Queue.EndpointsFile)
	f.absolute("queue.token_file", c.Queue.TokenFile)
	c.validateCommand(f)
	c.validateMode(f)
	if c.Concurrency < 1 || c.Concurrency > MaxConcurrency {
		f.add("concurrency", "must be between 1 and %d, got %d", MaxConcurrency, c.Concurrency)
	}
	if c.Timeout <= 0 {
		f.add("timeout", "must be longer than 0s, got %s", c.Timeout)
	}
	if c.KillAfter < 0 {
		f.add("kill_after", "must not be negative, got %s", c.KillAfter)
	}
	c.ExitCodes.validate(f)
	f.absolute("work_dir", c.WorkDir)
	if !variablePattern.MatchString(c.IndexEnv) {
		f.add("index_env", "must be the name of an environment variable, got %q", c.IndexEnv)
	}
	return f.all.ErrorOrNil()
}

func (c *Config) validateCommand(f *faults) {
	if len(c.Command) == 0 {
		f.add("command", "is required")
		return
	}
	if c.Command[0] == "" {
		f.add("command[0]", "is required: the program")
	}
	for i, argument := range c.Command {
		if strings.ContainsRune(argument, 0) {
			f.add(fmt.Sprintf("command[%d]", i), "must not contain NUL")
		}
	}
}

func (c *Config) validateMode(f *faults) {
	switch c.Mode {
	case ModeExec:
		if c.HTTP != nil {
			f.add("http", "goes with mode %q, the mode is %q", ModeHTTP, c.Mode)
		}
	case ModeHTTP:
		if c.HTTP == nil {
			f.add("http", "is required in mode %q", ModeHTTP)
		}
	default:
		f.add("mode", "must be %s or %s, got %q", ModeExec, ModeHTTP, c.Mode)
	}
	if c.HTTP == nil {
		return
	}
	if c.HTTP.Port < 1 || c.HTTP.Port > 65535 {
		f.add("http.port", "must be between 1 and 65535, got %d", c.HTTP.Port)
	}
	f.urlPath("http.path", c.HTTP.Path)
	if c.HTTP.ReadyPath != "" {
		f.urlPath("http.ready_path", c.HTTP.ReadyPath)
	}
}

func (f *faults) urlPath(path, value string) {
	if !strings.HasPrefix(value, "/") || strings.ContainsAny(value, " \t\r\n#\x00") {
		f.add(path, "must be a path that begins with a slash, without spaces or a fragment, got %q", value)
	}
}

func (e ExitCodes) validate(f *faults) {
	if len(e.Done) == 0 {
		f.add("exit_codes.done", "must name at least one code, or nothing could ever be done")
	}
	for _, list := range []struct {
		path  string
		codes []int
	}{{"exit_codes.done", e.Done}, {"exit_codes.retry", e.Retry}} {
		for i, code := range list.codes {
			if code < 0 || code > 255 {
				f.add(fmt.Sprintf("%s[%d]", list.path, i), "must be between 0 and 255, got %d", code)
			}
		}
	}
	for i, code := range e.Retry {
		if slices.Contains(e.Done, code) {
			f.add(fmt.Sprintf("exit_codes.retry[%d]", i), "%d is in exit_codes.done as well", code)
		}
	}
}
