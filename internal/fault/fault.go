// Package fault collects what is wrong in what a user wrote, all of it at once, each at the attribute that is to blame.
package fault

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/go-multierror"
)

// Fault is one thing that is wrong.
type Fault struct {
	// Path is the attribute, as the user writes it: `sidecars["logs"].log_saver.paths[0]`. Empty is the whole.
	Path string
	// Message says what is wrong and what to do.
	Message string
	// Needs are other attributes that the judgement rests on. While one of them is unknown, there is no fault.
	Needs []string
}

func (f Fault) Error() string {
	if f.Path == "" {
		return f.Message
	}
	return f.Path + ": " + f.Message
}

// List of faults. The zero value is ready for use.
type List []Fault

// Add a fault at a path.
func (l *List) Add(path, format string, args ...any) {
	*l = append(*l, Fault{Path: path, Message: fmt.Sprintf(format, args...)})
}

// AddNeeding adds a fault that only stands when the attributes needs are known.
func (l *List) AddNeeding(needs []string, path, format string, args ...any) {
	*l = append(*l, Fault{Path: path, Message: fmt.Sprintf(format, args...), Needs: needs})
}

// Known leaves out the faults that rest on unknown attributes: on one of the paths, on something below or above it.
func (l List) Known(unknown []string) List {
	var known List
next:
	for _, f := range l {
		for _, p := range append([]string{f.Path}, f.Needs...) {
			for _, u := range unknown {
				if p == "" || within(p, u) || within(u, p) {
					continue next
				}
			}
		}
		known = append(known, f)
	}
	return known
}

// within tells whether the path a is b or lies below it.
func within(a, b string) bool {
	rest, ok := strings.CutPrefix(a, b)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// Err is nil for an empty list, else one error that shows every fault on a line of its own.
func (l List) Err() error {
	var all *multierror.Error
	for _, f := range l {
		all = multierror.Append(all, f)
	}
	if all == nil {
		return nil
	}
	all.ErrorFormat = func(errs []error) string {
		lines := make([]string, len(errs))
		for i, e := range errs {
			lines[i] = e.Error()
		}
		return strings.Join(lines, "\n")
	}
	return all
}

// Of are the single errors of a validation as faults, each at the path that it begins with.
func Of(err error) (l List) {
	var all *multierror.Error
	if !errors.As(err, &all) {
		return nil
	}
	for _, err := range all.Errors {
		path, message, _ := strings.Cut(err.Error(), ": ")
		l = append(l, Fault{Path: path, Message: message})
	}
	return l
}

// Key appends a map key to a path.
func Key(path, key string) string { return fmt.Sprintf("%s[%q]", path, key) }

// At appends a list index to a path.
func At(path string, index int) string { return fmt.Sprintf("%s[%d]", path, index) }

// Join appends an attribute to a path, which may be empty.
func Join(path, attribute string) string {
	if path == "" {
		return attribute
	}
	return path + "." + attribute
}
