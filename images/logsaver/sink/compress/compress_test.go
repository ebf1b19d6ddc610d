package compress

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// text is what a log looks like: lines that resemble each other.
func text(seed uint64, size int) []byte {
	random := rand.New(rand.NewPCG(seed, 0))
	var b bytes.Buffer
	for b.Len() < size {
		fmt.Fprintf(&b, "10.0.%d.%d - - [21/Nov/2026:02:%02d:%02d +0000] \"GET /item/%d HTTP/1.1\" 200 %d\n",
			random.IntN(256), random.IntN(256), random.IntN(60), random.IntN(60), random.IntN(10000), random.IntN(100000))
	}
	return b.Bytes()[:size]
}

var decompress = map[string]func(r io.Reader) (io.Reader, error){
	"none": func(r io.Reader) (io.Reader, error) { return r, nil },
	"gzip": func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
	"zstd": func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r) },
}

func TestWhatIsCompressedComesBackAndIsTheSameEachTime(t *testing.T) {
	for kind, open := range decompress {
		t.Run(kind, func(t *testing.T) {
			used, err := New(kind)
			require.NoError(t, err)
			first := map[int][]byte{}
			for round := range 3 {
				for i, size := range []int{0, 1, 100, 64 << 10, 300_000, 3 << 20} {
					source := text(uint64(i), size)
					out, err := used.Compress(source)
					require.NoError(t, err)
					reader, err := open(bytes.NewReader(out))
					require.NoError(t, err)
					back, err := io.ReadAll(reader)
					require.NoError(t, err)
					require.True(t, bytes.Equal(source, back), "%d bytes", size)
					if round == 0 {
						first[i] = bytes.Clone(out)
					}
					assert.True(t, bytes.Equal(first[i], out), "the encoder remembers nothing of what came before")

					fresh, err := New(kind)
					require.NoError(t, err)
					again, err := fresh.Compress(source)
					require.NoError(t, err)
					assert.True(t, bytes.Equal(first[i], again), "after a restart")

					var streamed bytes.Buffer
					w := used.Stream(&streamed)
					_, err = w.Write(source)
					require.NoError(t, err)
					require.NoError(t, w.Close())
					reader, err = open(&streamed)
					require.NoError(t, err)
					back, err = io.ReadAll(reader)
					require.NoError(t, err)
					require.True(t, bytes.Equal(source, back), "streamed")
				}
			}
		})
	}
	_, err := New("lzma")
	require.ErrorContains(t, err, "must be none, gzip or zstd")
}

func BenchmarkCompress(b *testing.B) {
	source := text(1, 2<<20)
	for _, kind := range []string{"gzip", "zstd"} {
		b.Run(kind, func(b *testing.B) {
			c, err := New(kind)
			require.NoError(b, err)
			b.SetBytes(int64(len(source)))
			for b.Loop() {
				out, _ := c.Compress(source)
				b.ReportMetric(float64(len(source))/float64(len(out)), "ratio")
			}
		})
	}
}
