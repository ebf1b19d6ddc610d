package merge

import (
	"context"
	"io"
)

// concat puts bodies one after the other.
type concat struct{ separator string }

func (m concat) Stream(_ context.Context, _ *Request, streams []Stream, out Sink) error {
	w := newFlusher(out)
	defer w.stop()
	buffer := make([]byte, 32<<10)
	written := false
	for i := range streams {
		begun := false
		for {
			n, err := streams[i].Body.Read(buffer)
			if n > 0 {
				switch {
				case !written:
					if streams[i].ContentType != "" {
						out.Header().Set("Content-Type", streams[i].ContentType)
					}
				case !begun:
					if _, err := io.WriteString(w, m.separator); err != nil {
						return err
					}
				}
				begun, written = true, true
				if _, err := w.Write(buffer[:n]); err != nil {
					return err
				}
			}
			if err == io.EOF {
				break
			}
			if err != nil {
				if begun { // a piece of it is in the answer, and nothing would show where it ends
					return err
				}
				if err := out.Failed(i, err); err != nil {
					return err
				}
				break
			}
		}
	}
	if !written && len(streams) > 0 && streams[0].ContentType != "" {
		out.Header().Set("Content-Type", streams[0].ContentType)
	}
	return w.finish()
}
