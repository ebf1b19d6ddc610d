package merge

import (
	"context"
	"io"
)

// concat puts bodies one after the other.
type concat struct{ separator string }

func (m concat) Stream(_ context.Context, _ *Request, streams []Stream, out Sink) error {
	buffer := make([]byte, 32<<10)
	written := false
	for i := range streams {
		s := &streams[i]
		if !written && s.ContentType != "" && out.Header().Get("Content-Type") == "" {
			out.Header().Set("Content-Type", s.ContentType)
		}
		begun := false
		for {
			n, err := s.Body.Read(buffer)
			if n > 0 {
				if !begun && written && m.separator != "" {
					if _, err := io.WriteString(out, m.separator); err != nil {
						return err
					}
				}
				begun, written = true, true
				if _, err := out.Write(buffer[:n]); err != nil {
					return err
				}
			}
			if err == io.EOF { //nolint:errorlint // as io.Reader has it
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
	return nil
}
