package client

import (
	"bytes"
	"io"
)

// Body gives a request's body and its GetBody, so that net/http can send it again when the server has closed an idle connection in the same moment.
func Body(content *bytes.Reader) (io.ReadCloser, func() (io.ReadCloser, error)) {
	whole := *content
	again := func() (io.ReadCloser, error) {
		fresh := whole
		return io.NopCloser(&fresh), nil
	}
	return io.NopCloser(content), again
}
