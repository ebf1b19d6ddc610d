package upstream

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAnswers(t *testing.T) {
	zipped := zip(t, strings.Repeat("hello ", 1000))
	long := strings.Repeat("0123456789", 5000)
	for _, test := range []struct {
		name, method, answer string
		status               int
		body                 string
		kept                 bool
	}{
		{name: "a body with its length", answer: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", status: 200, body: "hello", kept: true},
		{name: "a body that is larger than the memory of a connection", answer: fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(long), long), status: 200, body: long, kept: true},
		{name: "no reason phrase", answer: "HTTP/1.1 404\r\nContent-Length: 2\r\n\r\nno", status: 404, body: "no", kept: true},
		{name: "an empty body", answer: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", status: 200, kept: true},
		{name: "the same length said twice", answer: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\ncontent-length: 2\r\n\r\nok", status: 200, body: "ok", kept: true},
		{name: "chunks", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;a=b\r\n world\r\n0\r\n\r\n", status: 200, body: "hello world", kept: true},
		{name: "one large chunk", answer: fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(long), long), status: 200, body: long, kept: true},
		{name: "many small chunks", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1\r\nx\r\n", 5000) + "0\r\n\r\n", status: 200, body: strings.Repeat("x", 5000), kept: true},
		{name: "chunks and trailers", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nPattern-Coverage: 1/2\r\n\r\n", status: 200, body: "ok", kept: true},
		{name: "until the connection closes", answer: "HTTP/1.1 200 OK\r\n\r\nhello", status: 200, body: "hello"},
		{name: "HTTP/1.0", answer: "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", status: 200, body: "ok"},
		{name: "HTTP/1.0 with keep-alive", answer: "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nok", status: 200, body: "ok", kept: true},
		{name: "connection: close", answer: "HTTP/1.1 200 OK\r\nConnection: foo, Close\r\nContent-Length: 2\r\n\r\nok", status: 200, body: "ok"},
		{name: "204 without a body", answer: "HTTP/1.1 204 No Content\r\n\r\n", status: 204, kept: true},
		{name: "204 that announces a body", answer: "HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n", status: 204},
		{name: "304 has the length of what it does not send", answer: "HTTP/1.1 304 Not Modified\r\nContent-Length: 300\r\n\r\n", status: 304, kept: true},
		{name: "HEAD", method: "HEAD", answer: "HTTP/1.1 200 OK\r\nContent-Length: 300\r\n\r\n", status: 200, kept: true},
		{name: "interim answers", answer: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", status: 200, body: "ok", kept: true},
		{name: "gzip with a length", answer: fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", len(zipped), zipped), status: 200, body: strings.Repeat("hello ", 1000), kept: true},
		{name: "gzip in chunks", answer: fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n", 10, zipped[:10], len(zipped)-10, zipped[10:]), status: 200, body: strings.Repeat("hello ", 1000), kept: true},
		{name: "gzip until the connection closes", answer: "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + zipped, status: 200, body: strings.Repeat("hello ", 1000)},
		{name: "gzip of nothing at all", answer: "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", status: 200, kept: true},
		{name: "garbage behind the body", answer: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged", status: 200, body: "ok"},
		{name: "garbage behind the chunks", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nHTTP/1.1 500 forged\r\n\r\n", status: 200, body: "ok"},
	} {
		t.Run(test.name, func(t *testing.T) {
			quietly(t)
			handle := always(test.answer)
			if !test.kept {
				handle = once(test.answer)
			}
			s := serve(t, handle)
			p := pool(t, s.address(), Options{})
			const calls = 3
			for range calls {
				r := get("/")
				if test.method != "" {
					r.Method, r.Head = test.method, bytes.Replace(r.Head, []byte("GET"), []byte(test.method), 1)
				}
				status, body, err := fetch(p, r)
				require.NoError(t, err)
				assert.Equal(t, test.status, status)
				assert.Equal(t, test.body, body)
			}
			want := int64(calls)
			if test.kept {
				want = 1
			}
			assert.Equal(t, want, s.opened.Load(), "connections")
			p.Close()
			open, idle := p.Connections()
			assert.Zero(t, open)
			assert.Zero(t, idle)
			s.stop()
		})
	}
}

func TestInvalidAnswers(t *testing.T) {
	chunks := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	for _, test := range []struct{ name, answer, reason string }{
		{name: "no HTTP", answer: "SSH-2.0-OpenSSH_9.9\r\n", reason: "status line"},
		{name: "HTTP/2's preface", answer: "\x00\x00\x12\x04\x00\x00\x00\x00\x00", reason: "does not begin with HTTP/1"},
		{name: "HTTP/1.2", answer: "HTTP/1.2 200 OK\r\n\r\n", reason: "status line"},
		{name: "a status of two digits", answer: "HTTP/1.1 20 OK\r\n\r\n", reason: "status line"},
		{name: "a status of four digits", answer: "HTTP/1.1 2000 OK\r\n\r\n", reason: "status line"},
		{name: "a status below 100", answer: "HTTP/1.1 099 OK\r\n\r\n", reason: "status 099"},
		{name: "another protocol", answer: "HTTP/1.1 101 Switching\r\n\r\n", reason: "status 101"},
		{name: "interim answers without end", answer: strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 20), reason: "interim"},
		{name: "bare line feeds", answer: "HTTP/1.1 200 OK\nContent-Length: 0\n\n", reason: "carriage return"},
		{name: "a bare carriage return in a value", answer: "HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n", reason: "control characters"},
		{name: "a zero byte", answer: "HTTP/1.1 200 OK\r\nA: b\x00c\r\n\r\n", reason: "control characters"},
		{name: "a header without a colon", answer: "HTTP/1.1 200 OK\r\nhello\r\n\r\n", reason: "header line"},
		{name: "a header without a name", answer: "HTTP/1.1 200 OK\r\n: x\r\n\r\n", reason: "header line"},
		{name: "space before the colon", answer: "HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n", reason: "header line"},
		{name: "a continued line", answer: "HTTP/1.1 200 OK\r\nA: b\r\n c: d\r\n\r\n", reason: "header line"},
		{name: "an oversized head", answer: "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("x", 40<<10) + "\r\n\r\n", reason: "head of more than 32768 bytes"},
		{name: "an oversized head without a line", answer: "HTTP/1.1 " + strings.Repeat("2", 40<<10), reason: "head of more than 32768 bytes"},
		{name: "two lengths", answer: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc", reason: "Content-Length"},
		{name: "a list of lengths", answer: "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nab", reason: "Content-Length"},
		{name: "a negative length", answer: "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", reason: "Content-Length"},
		{name: "a length with a sign", answer: "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\nx", reason: "Content-Length"},
		{name: "a length beyond numbers", answer: "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", reason: "Content-Length"},
		{name: "length and chunks", answer: "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", reason: "Transfer-Encoding"},
		{name: "chunks in HTTP/1.0", answer: "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", reason: "Transfer-Encoding"},
		{name: "chunks twice", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", reason: "Transfer-Encoding"},
		{name: "another transfer coding", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", reason: "Transfer-Encoding"},
		{name: "an empty chunk size", answer: chunks + "\r\n", reason: "size of a chunk"},
		{name: "a chunk size with a prefix", answer: chunks + "0x5\r\nhello\r\n0\r\n\r\n", reason: "size of a chunk"},
		{name: "a chunk size with a sign", answer: chunks + "-5\r\nhello\r\n0\r\n\r\n", reason: "size of a chunk"},
		{name: "a chunk size with an underscore", answer: chunks + "1_0\r\nhello\r\n0\r\n\r\n", reason: "size of a chunk"},
		{name: "a chunk size beyond numbers", answer: chunks + "ffffffffffffffff\r\nhello", reason: "size of a chunk"},
		{name: "a chunk that is longer than its size", answer: chunks + "2\r\nhello\r\n0\r\n\r\n", reason: "longer than its size"},
		{name: "a chunk line with a bare line feed", answer: chunks + "2\nok\r\n0\r\n\r\n", reason: "carriage return"},
		{name: "a chunk line without end", answer: chunks + strings.Repeat("0", 10<<10), reason: "line between chunks"},
		{name: "extensions without end", answer: chunks + strings.Repeat("1;"+strings.Repeat("x", 4000)+"\r\na\r\n", 10), reason: "extensions"},
		{name: "trailers without end", answer: chunks + "0\r\n" + strings.Repeat("A: "+strings.Repeat("x", 1000)+"\r\n", 40), reason: "trailers of more than"},
		{name: "a trailer that is none", answer: chunks + "0\r\nhello\r\n\r\n", reason: "header line"},
		{name: "no gzip", answer: "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello", reason: "gzip"},
		{name: "garbage behind gzip", answer: fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%shello", len(zip(t, "x"))+5, zip(t, "x")), reason: "gzip"},
		{name: "a coding that was not asked for", answer: "HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 5\r\n\r\nhello", reason: `Content-Encoding "br"`},
		{name: "two codings", answer: "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello", reason: "Content-Encoding"},
	} {
		t.Run(test.name, func(t *testing.T) {
			quietly(t)
			s := serve(t, always(test.answer))
			p := pool(t, s.address(), Options{})
			_, _, err := fetch(p, get("/"))
			var protocol *ProtocolError
			require.ErrorAs(t, err, &protocol)
			assert.Contains(t, protocol.Reason, test.reason)
			// Where it is the content that is wrong, the connection is not.
			if _, idle := p.Connections(); !strings.Contains(test.answer, "Content-Encoding") {
				assert.Zero(t, idle, "the connection is kept")
			}
			p.Close()
			s.stop()
		})
	}
}

func TestCutAnswers(t *testing.T) {
	for _, test := range []struct{ name, answer string }{
		{name: "nothing", answer: ""},
		{name: "in the status line", answer: "HTTP/1.1 2"},
		{name: "in a header", answer: "HTTP/1.1 200 OK\r\nContent-Le"},
		{name: "before the blank line", answer: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"},
		{name: "after an interim answer", answer: "HTTP/1.1 100 Continue\r\n\r\n"},
		{name: "before the body", answer: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"},
		{name: "in the body", answer: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"},
		{name: "in a large body", answer: "HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\n" + strings.Repeat("x", 20000)},
		{name: "in the size of a chunk", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5"},
		{name: "in a chunk", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel"},
		{name: "behind a chunk", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"},
		{name: "before the last line", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"},
		{name: "in the trailers", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b"},
		{name: "in gzip with a length", answer: fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", len(zip(t, "hello")), zip(t, "hello")[:15])},
		{name: "in gzip's head", answer: "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 100\r\n\r\n\x1f\x8b"},
	} {
		t.Run(test.name, func(t *testing.T) {
			quietly(t)
			s := serve(t, once(test.answer))
			p := pool(t, s.address(), Options{})
			_, _, err := fetch(p, get("/"))
			assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
			open, _ := p.Connections()
			assert.Zero(t, open)
			assert.EqualValues(t, 1, s.opened.Load(), "a connection that was new is not tried again")
			s.stop()
		})
	}
	t.Run("gzip that is cut without the connection knowing", func(t *testing.T) {
		s := serve(t, once("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 15\r\n\r\n"+zip(t, "hello")[:15]))
		_, _, err := fetch(pool(t, s.address(), Options{}), get("/"))
		var protocol *ProtocolError
		require.ErrorAs(t, err, &protocol)
	})
}
