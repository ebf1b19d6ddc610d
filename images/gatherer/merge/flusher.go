package merge

import (
	"bufio"
	"sync"
	"time"
)

// flushAfter is how long what was written may wait for more.
const flushAfter = 20 * time.Millisecond

// A flusher gathers small pieces for a Sink, and does not keep them for long when no more come.
type flusher struct {
	mu     sync.Mutex
	out    Sink
	buffer *bufio.Writer
	timer  *time.Timer
	armed  bool
	closed bool
}

func newFlusher(out Sink) *flusher {
	w := &flusher{out: out, buffer: bufio.NewWriterSize(out, 32<<10)}
	w.timer = time.AfterFunc(time.Hour, w.late)
	w.timer.Stop()
	return w
}

func (w *flusher) late() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.armed = false; !w.closed && w.buffer.Flush() == nil { // else the next Write says it
		w.out.Flush()
	}
}

func (w *flusher) arm() {
	if !w.armed {
		w.armed = true
		w.timer.Reset(flushAfter)
	}
}

func (w *flusher) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.arm()
	return w.buffer.Write(p)
}

// line writes pieces and the end of a line.
func (w *flusher) line(pieces ...[]byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.arm()
	for _, p := range pieces {
		if _, err := w.buffer.Write(p); err != nil {
			return err
		}
	}
	return w.buffer.WriteByte('\n')
}

// finish sends what is left.
func (w *flusher) finish() error {
	w.stop()
	if err := w.buffer.Flush(); err != nil {
		return err
	}
	w.out.Flush()
	return nil
}

// stop sends nothing more by itself.
func (w *flusher) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.timer.Stop()
}
