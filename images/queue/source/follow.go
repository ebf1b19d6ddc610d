package source

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Pauses after a look that failed.
const (
	pauseMin = time.Second
	pauseMax = time.Minute
)

// patience is an error of a side that has said how long it wants to be left alone.
type patience struct {
	error
	pause time.Duration
}

func (p patience) Unwrap() error { return p.error }

// follow reads a feed: once, or again and again, and after a failure again after a pause.
func (r *Reader) follow(ctx context.Context, f feed) {
	if f.kind == kindSchedule {
		r.tick(ctx, f)
		return
	}
	for pause := pauseMin; ; {
		wait := f.watch
		err := r.look(ctx, f)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil && wait == 0:
			return
		case err == nil:
			pause = pauseMin
		default:
			wait = pause/2 + rand.N(pause/2+1)
			var asked patience
			if errors.As(err, &asked) {
				wait = max(wait, asked.pause)
			}
			pause = min(2*pause, pauseMax)
			r.note(ctx, f, err)
		}
		select {
		case <-ctx.Done():
			return
		case <-r.after(wait):
		}
	}
}

// note keeps an error where the status is, and logs it when it is another one than before.
func (r *Reader) note(ctx context.Context, f feed, err error) {
	s, readErr := r.state(ctx, f)
	if readErr == nil && s.Error == err.Error() {
		return
	}
	r.o.Log.Warn("source not read", "source", f.label(), "stage", f.stage, "error", err.Error())
	s.Error = err.Error()
	if readErr == nil {
		readErr = r.setState(ctx, f, s)
	}
	if readErr != nil {
		r.o.Log.Warn("status of the source not kept", "source", f.label(), "error", readErr.Error())
	}
}

// look reads a feed to its end once. Faults of single names do not stop the others; an error means that it is to be
// repeated.
func (r *Reader) look(ctx context.Context, f feed) error {
	s, err := r.state(ctx, f)
	if err != nil {
		return err
	}
	if f.finite() && s.Read == f.complete() {
		return nil
	}
	l := &looking{r: r, feed: f}
	switch f.kind {
	case kindList:
		err = l.list(ctx)
	case kindBucket:
		err = l.bucket(ctx, s.Read == "")
	case kindHTTP:
		err = l.http(ctx)
	}
	if err == nil && len(l.failed) > 0 {
		err = fmt.Errorf("%d of its items could not be read, the first: %w", len(l.failed), l.failed[0])
	}
	if err != nil {
		return err
	}
	next := state{Items: l.count}
	if f.finite() {
		next.Read = f.complete()
	} else {
		next.Read = "looked"
	}
	if l.refused > 0 {
		next.Error = fmt.Sprintf("%d of its names cannot be those of items and were left out, the first: %v", l.refused, l.refusal)
	}
	if next == s {
		return nil
	}
	if f.finite() {
		r.o.Log.Info("source read to its end", "source", f.label(), "stage", f.stage, "items", l.count)
	}
	if next.Error != "" && next.Error != s.Error {
		r.o.Log.Warn("names left out", "source", f.label(), "stage", f.stage, "error", next.Error)
	}
	return r.setState(ctx, f, next)
}
