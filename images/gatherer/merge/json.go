package merge

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
	"unsafe"

	"github.com/tidwall/gjson"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/contract"
)

// maxDepth of JSON. Parsers recurse: gjson, and those of merge containers.
const maxDepth = 500

// valid tells what is wrong with a text that should be JSON.
func valid(b []byte) error {
	switch {
	case !shallow(b):
		return fmt.Errorf("its JSON is nested more than %d deep", maxDepth)
	case !gjson.ValidBytes(b):
		return errors.New("it is not valid JSON")
	case !utf8.Valid(b):
		return errors.New("its JSON is not UTF-8")
	}
	return nil
}

func shallow(b []byte) bool {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			for i++; i < len(b) && b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
		case '[', '{':
			if depth++; depth > maxDepth {
				return false
			}
		case ']', '}':
			depth--
		}
	}
	return true
}

// A path of fields, in gjson's words.
type path struct{ fields, escaped string }

func newPath(fields string) path {
	if fields == "" {
		return path{}
	}
	all := strings.Split(fields, ".")
	for i, field := range all {
		all[i] = gjson.Escape(field) // "@timestamp" is a name, and no modifier
	}
	return path{fields: fields, escaped: strings.Join(all, ".")}
}

// text without a copy: what it is of does not change while a merge runs.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// value of a part, at a path.
func value(index int, p *Part, at path) (gjson.Result, error) {
	if !contract.IsJSON(p.ContentType) {
		return gjson.Result{}, partError(index, "its type is %s, and not JSON", p.ContentType)
	}
	if err := valid(p.Body); err != nil {
		return gjson.Result{}, &PartError{Index: index, Err: err}
	}
	if at.fields == "" {
		return gjson.Parse(text(p.Body)), nil
	}
	v := gjson.Get(text(p.Body), at.escaped)
	if !v.Exists() {
		return v, partError(index, "it has no %q", at.fields)
	}
	return v, nil
}

// An answer in the making: in an envelope for a client, in the shape of a leaf's answer for the level above.
type answer struct {
	body []byte
	end  string
}

// begin an answer whose results will take about so many bytes.
func begin(in *Request, at path, coverage contract.Coverage, bytes int) (*answer, error) {
	a := &answer{}
	switch {
	case in.Root:
		told, err := json.Marshal(coverage)
		if err != nil {
			return nil, err
		}
		a.body = make([]byte, 0, bytes+len(told)+32)
		a.body = append(a.body, `{"coverage":`...)
		a.body = append(a.body, told...)
		a.body = append(a.body, `,"results":`...)
		a.end = "}\n"
	case at.fields == "":
		a.body = make([]byte, 0, bytes)
	default:
		a.body = make([]byte, 0, bytes+2*len(at.fields)+8)
		fields := strings.Split(at.fields, ".")
		for _, field := range fields {
			a.body = append(a.body, '{')
			a.body = appendString(a.body, field)
			a.body = append(a.body, ':')
		}
		a.end = strings.Repeat("}", len(fields))
	}
	return a, nil
}

func (a *answer) finish() *Answer {
	return &Answer{ContentType: contract.TypeJSON, Body: append(a.body, a.end...)}
}

func appendString(to []byte, s string) []byte { return gjson.AppendJSONString(to, s) }

func size(parts []Part) (n int) {
	for i := range parts {
		n += len(parts[i].Body) + 1
	}
	return n
}
