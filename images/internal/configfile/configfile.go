// Package configfile reads an image's one configuration file, and reads it again when it changes.
//
// What is wrong with a file is told all at once, with the path of each field. A changed file that is wrong changes nothing: the image goes on with what it has, and says so in its log, its metrics and /config.
package configfile

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-multierror"
)

// A File is one configuration file and what was last read from it.
type File[T any] struct {
	path    string
	log     *slog.Logger
	current atomic.Pointer[T]

	mu          sync.Mutex // one reload at a time; guards what follows
	seen        string     // digest of the content that was last tried
	status      Status
	subscribers []func(old, new *T) error
}

// Status is what is known of the reloads so far.
type Status struct {
	Path      string    `json:"path"`
	Digest    string    `json:"digest"`
	Loaded    time.Time `json:"loaded"`
	Successes uint64    `json:"reloads"`
	Failures  uint64    `json:"failed_reloads"`
	// LastError is why the file as it is now is not in use; empty if it is.
	LastError string `json:"last_error,omitempty"`
}

// ErrInvalid is matched by the errors of a file that can be read and must not be used.
var ErrInvalid = errors.New("invalid configuration")

// Open reads a file for the first time.
func Open[T any](path string) (*File[T], error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	config, err := parse[T](path, data)
	if err != nil {
		return nil, err
	}
	f := &File[T]{path: path, log: slog.Default(), seen: digest(data)}
	f.current.Store(config)
	f.status = Status{Path: path, Digest: f.seen, Loaded: time.Now().UTC()}
	return f, nil
}

// Load reads a file once.
func Load[T any](path string) (*T, error) {
	f, err := Open[T](path)
	if err != nil {
		return nil, err
	}
	return f.Current(), nil
}

// Log says where reloads are told of.
func (f *File[T]) Log(log *slog.Logger) { f.log = log }

// Current gives the configuration in use. It must not be changed.
func (f *File[T]) Current() *T { return f.current.Load() }

// Status tells of the reloads so far.
func (f *File[T]) Status() Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.status
}

// OnChange registers a function that applies a new configuration. It is called before the new one takes the place of the old; an error refuses it ("sinks cannot change without a restart"). Functions run in the order of their registration, and those that have accepted are called again with the old one when a later one refuses.
func (f *File[T]) OnChange(apply func(old, new *T) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.subscribers = append(f.subscribers, apply)
}

// Reload reads the file again. It does nothing if the content is what it was at the last attempt.
func (f *File[T]) Reload() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	data, err := os.ReadFile(f.path)
	if err != nil {
		return f.refuse(fmt.Errorf("read configuration: %w", err), "")
	}
	seen := digest(data)
	if seen == f.seen {
		return nil
	}
	config, err := parse[T](f.path, data)
	if err != nil {
		return f.refuse(err, seen)
	}
	if seen != f.status.Digest { // otherwise the file went back to what is in use
		if err := f.apply(config); err != nil {
			return f.refuse(err, seen)
		}
		f.current.Store(config)
		f.status.Successes++
		f.log.Info("configuration reloaded", "path", f.path, "digest", seen)
	}
	f.seen, f.status.Digest, f.status.Loaded, f.status.LastError = seen, seen, time.Now().UTC(), ""
	return nil
}

func (f *File[T]) apply(config *T) error {
	old := f.current.Load()
	for i, subscriber := range f.subscribers {
		if err := subscriber(old, config); err != nil {
			for _, accepted := range f.subscribers[:i] {
				if back := accepted(config, old); back != nil {
					f.log.Error("configuration not taken back", "path", f.path, "error", back.Error())
				}
			}
			return fmt.Errorf("%s: %w", f.path, err)
		}
	}
	return nil
}

// refuse counts and logs a file that does not replace the one in use, once for each content.
func (f *File[T]) refuse(err error, seen string) error {
	if seen == "" && f.status.LastError == err.Error() {
		return err
	}
	f.seen = seen
	f.status.Failures++
	f.status.LastError = err.Error()
	f.log.Error("configuration not reloaded, the one before stays in use", "path", f.path, "error", err.Error())
	return err
}

func parse[T any](path string, data []byte) (*T, error) {
	config := new(T)
	if err := Decode(data, config); err != nil {
		return nil, invalid(path, err)
	}
	if defaulter, ok := any(config).(interface{ SetDefaults() }); ok {
		defaulter.SetDefaults()
	}
	if validator, ok := any(config).(interface{ Validate() error }); ok {
		if err := validator.Validate(); err != nil {
			return nil, invalid(path, err)
		}
	}
	return config, nil
}

// invalid puts one fault on each line, so that a person can go through them.
func invalid(path string, err error) error {
	var many *multierror.Error
	if !errors.As(err, &many) {
		return fmt.Errorf("%w %s: %w", ErrInvalid, path, err)
	}
	lines := make([]string, len(many.Errors))
	for i, fault := range many.Errors {
		lines[i] = "  " + fault.Error()
	}
	many.ErrorFormat = func([]error) string { return strings.Join(lines, "\n") }
	return fmt.Errorf("%w %s:\n%w", ErrInvalid, filepath.Clean(path), many)
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8])
}
