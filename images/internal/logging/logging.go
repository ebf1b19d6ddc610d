// Package logging makes an image's log: JSON lines on standard error that name the pattern, the instance and the container, and a memory of the last of them for /logs.
package logging

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"sync"

	"github.com/container-patterns/terraform-provider-pattern/images/internal/identity"
)

// A Log is a logger, its level, which may change while it is in use, and its memory.
type Log struct {
	*slog.Logger
	Level *slog.LevelVar
	Ring  *Ring
}

// New makes the log of one container; keepBytes bounds the memory.
func New(w io.Writer, id identity.Identity, level slog.Level, keepBytes int) *Log {
	l := &Log{Level: new(slog.LevelVar), Ring: NewRing(keepBytes)}
	l.Level.Set(level)
	l.Logger = slog.New(newHandler(w, l.Level, l.Ring)).With(attributes(id)...)
	return l
}

func attributes(id identity.Identity) []any {
	var attrs []any
	for _, attr := range []slog.Attr{
		slog.String("pattern", id.Pattern),
		slog.String("namespace", id.Namespace),
		slog.String("instance", id.Instance),
		slog.String("container", id.Container),
	} {
		if attr.Value.String() != "" {
			attrs = append(attrs, attr)
		}
	}
	return attrs
}

// handler formats each record once and hands the line to both the writer and the ring.
type handler struct {
	slog.Handler
	out *output
}

// output is shared by a handler and all that are derived from it.
type output struct {
	mu   sync.Mutex
	line bytes.Buffer
	w    io.Writer
	ring *Ring
}

func newHandler(w io.Writer, level slog.Leveler, ring *Ring) *handler {
	out := &output{w: w, ring: ring}
	return &handler{Handler: slog.NewJSONHandler(&out.line, &slog.HandlerOptions{Level: level}), out: out}
}

func (h *handler) Handle(ctx context.Context, record slog.Record) error {
	h.out.mu.Lock()
	defer h.out.mu.Unlock()
	h.out.line.Reset()
	if err := h.Handler.Handle(ctx, record); err != nil {
		return err
	}
	h.out.ring.Add(Record{Level: record.Level, Line: bytes.Clone(h.out.line.Bytes())})
	_, err := h.out.w.Write(h.out.line.Bytes())
	return err
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &handler{Handler: h.Handler.WithAttrs(attrs), out: h.out}
}

func (h *handler) WithGroup(group string) slog.Handler {
	return &handler{Handler: h.Handler.WithGroup(group), out: h.out}
}
