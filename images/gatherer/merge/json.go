package merge

import (
	"bytes"
	"encoding/json"
	"mime"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/contract"
)

const jsonType = "application/json"

// isJSON tells whether a media type is JSON, or not given.
func isJSON(contentType string) bool {
	if contentType == "" || contentType == jsonType {
		return true
	}
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && (media == jsonType || strings.HasSuffix(media, "+json"))
}

// value of a part, at a path.
func value(index int, p *Part, path string) (gjson.Result, error) {
	if !isJSON(p.ContentType) {
		return gjson.Result{}, partError(index, "its type is %s, and not JSON", p.ContentType)
	}
	if !gjson.ValidBytes(p.Body) {
		return gjson.Result{}, partError(index, "it is not valid JSON")
	}
	if path == "" {
		return gjson.ParseBytes(p.Body), nil
	}
	v := gjson.GetBytes(p.Body, path)
	if !v.Exists() {
		return v, partError(index, "it has no %q", path)
	}
	return v, nil
}

// finish an answer: in an envelope for a client; for the level above in the shape that a leaf's answer has.
func finish(in *Request, path string, results []byte, coverage contract.Coverage) (*Answer, error) {
	var out bytes.Buffer
	if in.Root {
		told, err := json.Marshal(coverage)
		if err != nil {
			return nil, err
		}
		out.Grow(len(results) + len(told) + 32)
		out.WriteString(`{"coverage":`)
		out.Write(told)
		out.WriteString(`,"results":`)
		out.Write(results)
		out.WriteString("}\n")
		return &Answer{ContentType: jsonType, Body: out.Bytes()}, nil
	}
	if path == "" {
		return &Answer{ContentType: jsonType, Body: results}, nil
	}
	fields := strings.Split(path, ".")
	for _, field := range fields {
		name, err := json.Marshal(field)
		if err != nil {
			return nil, err
		}
		out.WriteByte('{')
		out.Write(name)
		out.WriteByte(':')
	}
	out.Write(results)
	out.WriteString(strings.Repeat("}", len(fields)))
	return &Answer{ContentType: jsonType, Body: out.Bytes()}, nil
}

func size(parts []Part) (n int) {
	for i := range parts {
		n += len(parts[i].Body)
	}
	return n
}
