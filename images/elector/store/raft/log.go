package raft

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/hashicorp/go-hclog"
)

// quietly are messages that come again and again as long as a server is away, which is told once by ourselves.
var quietly = []string{"failed to ", "peer ", "Election timeout", "rejecting ", "unable to get address"}

// sink takes what raft says: what it says of its normal life is for those who look for something.
type sink struct{ log *slog.Logger }

// Accept as hclog.SinkAdapter wants it.
func (s sink) Accept(_ string, level hclog.Level, message string, args ...any) {
	to := slog.LevelDebug
	if level >= hclog.Error {
		to = slog.LevelWarn
		for _, prefix := range quietly {
			if strings.HasPrefix(message, prefix) {
				to = slog.LevelDebug
			}
		}
	}
	if !s.log.Enabled(context.Background(), to) {
		return
	}
	attributes := make([]any, 0, len(args))
	for _, arg := range args {
		if err, ok := arg.(error); ok {
			arg = err.Error()
		} else if text, ok := arg.(fmt.Stringer); ok {
			arg = text.String()
		}
		attributes = append(attributes, arg)
	}
	s.log.Log(context.Background(), to, "raft: "+message, attributes...)
}

func newLogger(log *slog.Logger) hclog.Logger {
	l := hclog.NewInterceptLogger(&hclog.LoggerOptions{Level: hclog.Off, Output: io.Discard})
	l.RegisterSink(sink{log})
	return l
}
