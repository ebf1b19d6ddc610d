// Package compress compresses whole batches, always to the same bytes, with one encoder that is used again for each.
package compress

import (
	"bytes"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/config"
)

// window is how far zstd looks back. Log lines resemble their neighbours, and memory goes with it.
const window = 256 << 10

// A Compressor is one way to compress. It is not safe for concurrent use.
type Compressor struct {
	encode func(source []byte) ([]byte, error)
	stream func(w io.Writer) io.WriteCloser
	// Extension is what it adds to a file's name, Encoding what HTTP calls it; both are empty without compression.
	Extension, Encoding string
	// Type is the media type of the compressed bytes.
	Type string
}

// New makes a compressor of a kind that the configuration knows.
func New(kind string) (*Compressor, error) {
	switch kind {
	case config.CompressionNone, "":
		return &Compressor{
			Type:   "text/plain; charset=utf-8",
			encode: func(source []byte) ([]byte, error) { return source, nil },
			stream: func(w io.Writer) io.WriteCloser { return plain{w} },
		}, nil
	case config.CompressionGzip:
		var out bytes.Buffer
		writer, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
		if err != nil {
			return nil, err
		}
		return &Compressor{Extension: ".gz", Encoding: "gzip", Type: "application/gzip", encode: func(source []byte) ([]byte, error) {
			out.Reset()
			writer.Reset(&out)
			if _, err := writer.Write(source); err != nil {
				return nil, err
			}
			err := writer.Close()
			return out.Bytes(), err
		}, stream: func(w io.Writer) io.WriteCloser {
			writer.Reset(w)
			return writer
		}}, nil
	case config.CompressionZstd:
		encoder, err := zstd.NewWriter(nil,
			zstd.WithEncoderLevel(zstd.SpeedFastest),
			zstd.WithEncoderConcurrency(1),
			zstd.WithLowerEncoderMem(true),
			zstd.WithWindowSize(window))
		if err != nil {
			return nil, err
		}
		var out []byte
		return &Compressor{Extension: ".zst", Encoding: "zstd", Type: "application/zstd", encode: func(source []byte) ([]byte, error) {
			out = encoder.EncodeAll(source, out[:0])
			return out, nil
		}, stream: func(w io.Writer) io.WriteCloser {
			encoder.Reset(w)
			return encoder
		}}, nil
	}
	return nil, fmt.Errorf("compression: must be none, gzip or zstd, got %q", kind)
}

// Compress gives the compressed bytes, which are valid until the next call. Without compression they are the source itself.
func (c *Compressor) Compress(source []byte) ([]byte, error) { return c.encode(source) }

// Stream compresses what is written to it into w. Only one stream of a compressor may be open; it ends with Close, which does not close w.
func (c *Compressor) Stream(w io.Writer) io.WriteCloser { return c.stream(w) }

// plain leaves all as it is.
type plain struct{ io.Writer }

func (plain) Close() error { return nil }
