package source

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
)

// state of a feed, kept in a mark so that every server can tell it.
type state struct {
	// Read is what was read to its end: the ID of a list's contents, or "all".
	Read string `json:"read,omitempty"`
	// Items that were found.
	Items int64  `json:"items,omitempty"`
	Error string `json:"error,omitempty"`
	// Last tick of the schedule that Rule is.
	Last string `json:"last,omitempty"`
	Rule string `json:"rule,omitempty"`
}

func (f feed) stateKey() string { return f.key() + ".state" }

func (r *Reader) state(ctx context.Context, f feed) (s state, err error) {
	text, err := r.o.Store.Mark(ctx, f.stateKey())
	if err != nil || text == "" {
		return s, err
	}
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return s, fmt.Errorf("%s: the mark %q is damaged: %w", f.label(), f.stateKey(), err)
	}
	return s, nil
}

func (r *Reader) setState(ctx context.Context, f feed, s state) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := r.o.Store.SetMark(ctx, f.stateKey(), string(text)); err != nil {
		return err
	}
	r.o.Changed()
	return nil
}

// Status of the sources that are configured, whichever server reads them.
func (r *Reader) Status(ctx context.Context) (api.SourceStatus, error) {
	all := feeds(r.current())
	out := api.SourceStatus{Finite: len(all) > 0, Read: len(all) > 0}
	items := map[string]int64{} // stages are given the same items
	var faults []string
	for _, f := range all {
		s, err := r.state(ctx, f)
		if err != nil {
			return api.SourceStatus{}, err
		}
		if !f.finite() {
			out.Finite = false
		} else if s.Read != f.complete() {
			out.Read = false
		}
		items[f.kind+f.id] = max(items[f.kind+f.id], s.Items)
		if s.Error != "" {
			faults = append(faults, f.label()+": "+s.Error)
		}
	}
	for _, n := range items {
		out.Items += n
	}
	out.Error = strings.Join(faults, "; ")
	return out, nil
}

// complete is what Read is when all of it was read.
func (f feed) complete() string {
	if f.kind != kindList {
		return "all"
	}
	return short(sorted(f.list)...)
}
