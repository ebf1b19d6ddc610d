// Package transfer moves contents between the queue and an item's folder, for as long as it takes.
package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/images/worker/folder"
	"github.com/container-patterns/terraform-provider-pattern/images/worker/remote"
)

// The bounds of what goes with an ack: what is larger is uploaded before.
const (
	InlineBytes    = 32 << 10 // of one output
	inlineAllBytes = 1 << 20  // of all outputs of an item together
)

// A Queue keeps contents.
type Queue interface {
	Upload(ctx context.Context, content io.Reader, size int64) (string, error)
	Download(ctx context.Context, payload string) (io.ReadCloser, error)
}

// Input writes an item's content to a file. What the queue cannot give just now is asked for again until ctx ends.
func Input(ctx context.Context, queue Queue, lease api.Lease, path string, log *slog.Logger) error {
	if lease.Payload == "" {
		if err := os.WriteFile(path, lease.Data, 0o600); err != nil {
			return fmt.Errorf("write the input: %w", err)
		}
		return nil
	}
	return persist(ctx, log, "an input cannot be fetched", lease.Name, func() (final bool, err error) {
		content, err := queue.Download(ctx, lease.Payload)
		if err != nil {
			return remote.Refused(err), fmt.Errorf("fetch the input: %w", err)
		}
		defer content.Close()
		file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			return true, fmt.Errorf("write the input: %w", err)
		}
		w := &writer{file: file}
		_, err = io.Copy(w, content)
		if closed := file.Close(); err == nil && closed != nil {
			w.failed, err = true, closed
		}
		if err != nil {
			return w.failed, fmt.Errorf("fetch the input: %w", err)
		}
		return false, nil
	})
}

// writer tells a disk that is full from a connection that broke.
type writer struct {
	file   *os.File
	failed bool
}

func (w *writer) Write(p []byte) (int, error) {
	n, err := w.file.Write(p)
	w.failed = w.failed || err != nil
	return n, err //nolint:wrapcheck // as io.Writer does
}

// Outputs reads what is small and uploads what is not, until ctx ends.
func Outputs(ctx context.Context, queue Queue, item string, files []folder.Output, log *slog.Logger) ([]api.Output, error) {
	outputs := make([]api.Output, 0, len(files))
	inline := int64(0)
	for _, f := range files {
		output := api.Output{Name: f.Name}
		if f.Size <= InlineBytes && inline+f.Size <= inlineAllBytes {
			inline += f.Size
			file, err := f.Open()
			if err != nil {
				return nil, err
			}
			output.Data = make([]byte, f.Size)
			_, err = io.ReadFull(file, output.Data)
			_ = file.Close()
			if err != nil {
				return nil, fmt.Errorf("output %q: %w", f.Name, err)
			}
			outputs = append(outputs, output)
			continue
		}
		err := persist(ctx, log, "an output cannot be uploaded", item, func() (final bool, err error) {
			file, err := f.Open()
			if err != nil {
				return true, err
			}
			defer file.Close()
			output.Payload, err = queue.Upload(ctx, file, f.Size)
			return remote.Refused(err), err
		})
		if err != nil {
			return nil, fmt.Errorf("output %q: %w", f.Name, err)
		}
		outputs = append(outputs, output)
	}
	return outputs, nil
}

// persist tries until it goes well, an error is final, or ctx ends.
func persist(ctx context.Context, log *slog.Logger, what, item string, try func() (final bool, err error)) error {
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		final, err := try()
		if err == nil || final {
			return err
		}
		if ctx.Err() != nil {
			return errors.Join(context.Cause(ctx), err)
		}
		log.Warn(what+"; it is tried again", "item", item, "error", err.Error(), "again_in", pause.String())
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		}
	}
}
