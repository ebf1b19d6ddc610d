package contract

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Bounds of what a header may say.
const (
	maxMissing = 4096
	maxReason  = 200
)

// Write the coverage into headers or trailers.
func (c Coverage) Write(h http.Header) {
	if c.Shards == 0 && c.Complete {
		return // an answer for which nobody was asked
	}
	h.Set(HeaderCoverage, strconv.Itoa(c.Answered)+"/"+strconv.Itoa(c.Shards))
	if len(c.Missing) == 0 {
		h.Del(HeaderMissing)
		return
	}
	h.Set(HeaderMissing, FormatMissing(c.Missing))
}

// ReadCoverage of an answer's headers. False if they say nothing of it.
func ReadCoverage(get func(name string) string) (c Coverage, told bool, err error) {
	text := get(HeaderCoverage)
	if text == "" {
		return c, false, nil
	}
	answered, shards, cut := strings.Cut(text, "/")
	c.Answered, err = strconv.Atoi(answered)
	if err == nil {
		c.Shards, err = strconv.Atoi(shards)
	}
	if !cut || err != nil || c.Answered < 0 || c.Answered > c.Shards {
		return Coverage{}, true, fmt.Errorf("%s: must be ANSWERED/SHARDS, got %q", HeaderCoverage, text)
	}
	if c.Missing, err = ParseMissing(get(HeaderMissing)); err != nil {
		return Coverage{}, true, fmt.Errorf("%s: %w", HeaderMissing, err)
	}
	c.Complete = len(c.Missing) == 0
	return c, true, nil
}

// FormatMissing writes a list of RFC 9651: tokens or integers with the parameter reason.
func FormatMissing(missing []Missing) string {
	var b strings.Builder
	for i, m := range missing {
		if i > 0 {
			b.WriteString(", ")
		}
		if number(m.Shard) {
			b.WriteString(m.Shard)
		} else {
			quote(&b, m.Shard)
		}
		b.WriteString(";reason=")
		quote(&b, m.Reason)
	}
	return b.String()
}

func number(s string) bool {
	if s == "" || len(s) > 15 {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// quote a string of RFC 9651, which has only printable characters of ASCII.
func quote(b *strings.Builder, s string) {
	b.WriteByte('"')
	for i := 0; i < len(s) && i < maxReason; i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c > '~':
			b.WriteByte('?')
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
}

// ParseMissing reads what FormatMissing writes. Other parameters are passed over.
func ParseMissing(text string) ([]Missing, error) {
	var out []Missing
	p := parser{text: strings.Trim(text, " \t")}
	for p.text != "" {
		if len(out) == maxMissing {
			return nil, fmt.Errorf("more than %d entries", maxMissing)
		}
		m := Missing{}
		var err error
		if m.Shard, err = p.item(); err != nil {
			return nil, err
		}
		for p.take(';') {
			p.spaces()
			name := p.token()
			value := ""
			if p.take('=') {
				if value, err = p.item(); err != nil {
					return nil, err
				}
			}
			if name == "" {
				return nil, fmt.Errorf("a parameter without a name before %q", p.rest())
			}
			if name == "reason" {
				m.Reason = value
			}
		}
		out = append(out, m)
		p.spaces()
		if p.text == "" {
			break
		}
		if !p.take(',') {
			return nil, fmt.Errorf("want a comma before %q", p.rest())
		}
		if p.spaces(); p.text == "" {
			return nil, fmt.Errorf("nothing behind the last comma")
		}
	}
	return out, nil
}

type parser struct{ text string }

func (p *parser) rest() string { return p.text[:min(len(p.text), 20)] }

func (p *parser) take(c byte) bool {
	if p.text == "" || p.text[0] != c {
		return false
	}
	p.text = p.text[1:]
	return true
}

func (p *parser) spaces() { p.text = strings.TrimLeft(p.text, " \t") }

func (p *parser) token() string {
	n := 0
	for n < len(p.text) {
		c := p.text[n]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("_-.*/:", c) >= 0 {
			n++
			continue
		}
		break
	}
	out := p.text[:n]
	p.text = p.text[n:]
	return out
}

// item is a string, an integer or a token.
func (p *parser) item() (string, error) {
	if !p.take('"') {
		out := p.token()
		if out == "" {
			return "", fmt.Errorf("want a string, a number or a token before %q", p.rest())
		}
		return out, nil
	}
	var b strings.Builder
	for i := 0; i < len(p.text); i++ {
		switch c := p.text[i]; {
		case c == '"':
			p.text = p.text[i+1:]
			return b.String(), nil
		case c == '\\' && i+1 < len(p.text) && (p.text[i+1] == '"' || p.text[i+1] == '\\'):
			i++
			b.WriteByte(p.text[i])
		case c == '\\' || c < ' ' || c > '~':
			return "", fmt.Errorf("a string has the character %q", c)
		default:
			b.WriteByte(c)
		}
	}
	return "", fmt.Errorf("a string has no end")
}

// FormatShards writes a set of numbers with ranges: "0-3,7". It is sorted; numbers that are there twice are written once.
func FormatShards(shards []int) string {
	sorted := slices.Compact(slices.Sorted(slices.Values(shards)))
	var out []byte
	for i := 0; i < len(sorted); {
		j := i
		for j+1 < len(sorted) && sorted[j+1] == sorted[j]+1 {
			j++
		}
		if len(out) > 0 {
			out = append(out, ',')
		}
		out = strconv.AppendInt(out, int64(sorted[i]), 10)
		if j > i {
			out = append(out, '-')
			out = strconv.AppendInt(out, int64(sorted[j]), 10)
		}
		i = j + 1
	}
	return string(out)
}

// maxShard bounds what a set may name, so that a range cannot cost much.
const maxShard = 1 << 16

// ParseShards reads what FormatShards writes, in any order. An empty set is an error.
func ParseShards(text string) ([]int, error) {
	var out []int
	for part := range strings.SplitSeq(text, ",") {
		part = strings.Trim(part, " \t")
		low, high, isRange := strings.Cut(part, "-")
		from, err := strconv.ParseUint(low, 10, 32)
		to := from
		if err == nil && isRange {
			to, err = strconv.ParseUint(high, 10, 32)
		}
		if err != nil || to < from || to > maxShard {
			return nil, fmt.Errorf(`shards are named as "0-3,7", got %q`, text)
		}
		for n := from; n <= to; n++ {
			out = append(out, int(n))
		}
		if len(out) > 2*maxShard {
			return nil, fmt.Errorf("too many shards are named")
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}
