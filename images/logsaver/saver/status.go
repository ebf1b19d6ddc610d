package saver

import (
	"errors"
	"fmt"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/deliver"
)

// FileStatus is how far one file has been saved.
type FileStatus struct {
	Input, Path string
	// LagBytes are those that are not acknowledged, LagTime is how long the oldest of them has been seen.
	LagBytes int64
	LagTime  time.Duration
}

// Files tells of the files that are open or lag behind. It is safe for concurrent use, as are all that follow.
func (s *Saver) Files(now time.Time) []FileStatus {
	s.registry.mu.Lock()
	defer s.registry.mu.Unlock()
	var all []FileStatus
	for _, e := range s.registry.entries {
		lag := max(e.size-e.Offset, 0)
		if e.Truncated || e.modified != (time.Time{}) && lag == 0 {
			continue
		}
		status := FileStatus{Input: e.Input, Path: e.Path, LagBytes: lag}
		if lag > 0 && !e.oldest.IsZero() {
			status.LagTime = max(now.Sub(e.oldest), 0)
		}
		all = append(all, status)
	}
	return all
}

// Sink tells how the sink does.
func (s *Saver) Sink() deliver.Status { return s.deliver.Status() }

// Spool is what waits on disk, and the limit.
func (s *Saver) Spool() (batches, lines int, bytes, limit int64) { return s.spool.Size() }

// Refused is the reason why nothing can be delivered, ever, without somebody's help; nil if there is none.
func (s *Saver) Refused() error {
	if status := s.deliver.Status(); status.Permanent {
		return fmt.Errorf("%w (since %s)", status.Err, status.Since.UTC().Format(time.RFC3339))
	}
	return nil
}

// Checkpoint is the reason why the checkpoint cannot be written, or nil.
func (s *Saver) Checkpoint() error {
	if err := s.broken.Load(); err != nil {
		return *err
	}
	return nil
}

// Alive is an error if the reader has not gone round for a minute: a filesystem that hangs, or a fault of ours.
func (s *Saver) Alive() error {
	if since := time.Since(time.Unix(0, s.alive.Load())); since > time.Minute && !s.ended.Load() {
		return errors.New("the files have not been looked at for " + since.Round(time.Second).String())
	}
	return nil
}
