package scatter

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/contract"
	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/trace"
)

// notPassed are headers that end here (RFC 9110, section 7.6.1), and those that the gatherer writes itself.
var notPassed = map[string]bool{
	"Connection": true, "Keep-Alive": true, "Proxy-Authenticate": true, "Proxy-Authorization": true, "Proxy-Connection": true,
	"Te": true, "Trailer": true, "Transfer-Encoding": true, "Upgrade": true, "Expect": true, "Content-Length": true, "Host": true,
	"Accept-Encoding": true, "Traceparent": true, "Range": true, "If-Range": true,
	contract.HeaderDeadline: true, contract.HeaderShard: true, contract.HeaderShards: true, contract.HeaderAttempt: true,
	contract.HeaderAsk: true, contract.HeaderLevel: true, contract.HeaderTree: true,
}

// Lines are the headers that children get of a request, each ended by CRLF.
func Lines(h http.Header) []byte {
	connection := h["Connection"]
	out := make([]byte, 0, 512)
	for name, values := range h {
		if notPassed[name] || len(connection) > 0 && named(connection, name) {
			continue
		}
		for _, value := range values {
			out = append(out, name...)
			out = append(out, ": "...)
			out = append(out, value...)
			out = append(out, "\r\n"...)
		}
	}
	return out
}

// named tells whether a Connection header names another one, which is then for this hop only.
func named(connection []string, name string) bool {
	for _, list := range connection {
		for token := range strings.SplitSeq(list, ",") {
			if strings.EqualFold(strings.TrimSpace(token), name) {
				return true
			}
		}
	}
	return false
}

// head of a request to children that have one host in common, up to what is one attempt's own.
func (r *Request) head(prefix, host string, shards int) []byte {
	method := r.method()
	out := make([]byte, 0, len(method)+len(prefix)+len(r.Target)+len(host)+len(r.Header)+96)
	out = append(out, method...)
	out = append(out, ' ')
	out = append(out, prefix...)
	out = append(out, r.Target...)
	out = append(out, " HTTP/1.1\r\nHost: "...)
	out = append(out, host...)
	out = append(out, "\r\n"...)
	out = append(out, r.Header...)
	// What cannot be decoded cannot be merged.
	out = append(out, "Accept-Encoding: identity\r\n"+contract.HeaderShards+": "...)
	out = strconv.AppendInt(out, int64(shards), 10)
	return append(out, "\r\n"...)
}

// method that children are asked by.
func (r *Request) method() string {
	if r.Method == http.MethodHead {
		return http.MethodGet // without the answers nobody knows what a merge would make of them
	}
	return r.Method
}

// extra lines of one attempt.
func (c *call) extra(number int, left time.Duration, span *trace.Span) []byte {
	out := make([]byte, 0, 192)
	out = append(out, contract.HeaderDeadline+": "...)
	out = strconv.AppendInt(out, max(1, left.Milliseconds()), 10)
	out = append(out, "\r\n"+contract.HeaderAttempt+": "...)
	out = strconv.AppendInt(out, int64(number), 10)
	if c.child.Parent {
		out = append(out, "\r\n"+contract.HeaderLevel+": "...)
		out = strconv.AppendInt(out, int64(c.g.s.node.Level+1), 10)
		if len(c.asked) < len(c.child.Shards) {
			out = append(out, "\r\n"+contract.HeaderAsk+": "...)
			out = append(out, contract.FormatShards(c.asked)...)
		}
	} else {
		out = append(out, "\r\n"+contract.HeaderShard+": "...)
		out = strconv.AppendInt(out, int64(c.asked[0]), 10)
	}
	out = append(out, "\r\n"...)
	return span.AppendTo(out)
}
