package contract

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func sample() *MergeRequest {
	return &MergeRequest{
		Asked: Asked{
			Request: Original{Method: "POST", Path: "/search", Query: "q=a", Headers: http.Header{"Accept": {"*/*"}}, BodyBase64: []byte{0xff, 0}},
			Root:    true, DeadlineMS: 900, Coverage: Coverage{Shards: 3, Answered: 2, Missing: []Missing{{"1", "timeout"}}},
		},
		Parts: []MergePart{
			{Child: "shard 0", Shards: []int{0}, Status: 200, ContentType: "application/json", Headers: http.Header{"X-Many": {"a", "b"}}, Body: json.RawMessage(`{"a": [1, 2]}`)},
			{Child: "parent 1.1", Shards: []int{2, 3, 4, 9}, Status: 203, ContentType: "application/hits+json", Body: json.RawMessage(`"\u0041"`)},
		},
	}
}

func TestFormsOfAMergeRequest(t *testing.T) {
	for _, format := range []string{FormatJSON, FormatMultipart} {
		for name, m := range map[string]*MergeRequest{"parts": sample(), "no parts": {Asked: sample().Asked}} {
			t.Run(format+" with "+name, func(t *testing.T) {
				var body bytes.Buffer
				contentType, err := WriteMerge(&body, format, m)
				require.NoError(t, err)
				size := int64(body.Len())
				_, err = ReadMerge(contentType, bytes.NewReader(body.Bytes()), size-1)
				require.ErrorContains(t, err, "more than")
				got, err := ReadMerge(contentType, &body, size)
				require.NoError(t, err)
				if m.Parts == nil {
					assert.Empty(t, got.Parts)
					got.Parts = nil
				}
				assert.Equal(t, m, got, "bodies byte by byte")
			})
		}
	}
	var body bytes.Buffer
	_, err := WriteMerge(&body, "xml", sample())
	require.ErrorContains(t, err, `"xml"`)
}

func TestBytesAreKeptInTheMultipartForm(t *testing.T) {
	m := sample()
	m.Parts[0].ContentType, m.Parts[0].Body = "image/png", json.RawMessage("\x89PNG\r\n--\r\n\x00\n")
	var body bytes.Buffer
	contentType, err := WriteMerge(&body, FormatMultipart, m)
	require.NoError(t, err)
	got, err := ReadMerge(contentType, &body, 1<<20)
	require.NoError(t, err)
	assert.Equal(t, m, got)
}

func TestWrongMergeRequests(t *testing.T) {
	multi := "multipart/mixed; boundary=x"
	for name, c := range map[string]struct{ contentType, body, want string }{
		"no type":                     {"", "{}", "Content-Type"},
		"another type":                {"text/plain", "{}", "must be"},
		"no boundary":                 {"multipart/mixed", "", "boundary"},
		"no JSON":                     {TypeJSON, "{", "read the request"},
		"a part without a body":       {TypeJSON, `{"parts":[{"shards":[1]}]}`, "parts[0]: there is no body"},
		"a shard below zero":          {TypeJSON, `{"parts":[{"shards":[-1],"body":1}]}`, "no shard has"},
		"nothing in it":               {multi, "--x--\r\n", "part 0"},
		"it does not begin with that": {multi, "--x\r\nContent-Disposition: form-data; name=\"part\"\r\n\r\n{}\r\n--x--\r\n", "the first part"},
		"it is cut":                   {multi, "--x\r\nContent-Disposition: form-data; name=\"request\"\r\n\r\n{}\r\n--x\r\nPattern-", "part 1"},
		"a part without a status":     {multi, "--x\r\nContent-Disposition: form-data; name=\"request\"\r\n\r\n{}\r\n--x\r\nPattern-Shards: 0\r\n\r\n{}\r\n--x--\r\n", HeaderStatus},
		"a part of wrong shards":      {multi, "--x\r\nContent-Disposition: form-data; name=\"request\"\r\n\r\n{}\r\n--x\r\nPattern-Shards: a\r\n\r\n{}\r\n--x--\r\n", HeaderShards},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ReadMerge(c.contentType, strings.NewReader(c.body), 1<<20)
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestRecords(t *testing.T) {
	head, err := json.Marshal(sample().Asked)
	require.NoError(t, err)
	body := append(head, '\n')
	body = AppendRecord(body, []int{3}, []byte(`{"t":1}`))
	body = append(body, "\n"...)
	body = AppendRecord(body, []int{0, 1}, []byte(`"x"`))
	r, err := NewRecords(bytes.NewReader(body), 1<<10)
	require.NoError(t, err)
	assert.Equal(t, sample().Asked, r.Asked)
	one, err := r.Next()
	require.NoError(t, err)
	assert.Equal(t, MergeRecord{Shards: []int{3}, Record: json.RawMessage(`{"t":1}`)}, one)
	one, err = r.Next()
	require.NoError(t, err)
	assert.Equal(t, MergeRecord{Shards: []int{0, 1}, Record: json.RawMessage(`"x"`)}, one)
	_, err = r.Next()
	assert.Equal(t, io.EOF, err)

	for want, body := range map[string]string{
		"first line is missing": "\n", "line 1: ": "{", "line 2: there is no record": "{}\n{\"shards\":[1]}\n", "line 2: no shard": "{}\n{\"shards\":[-1],\"record\":1}",
		"token too long": "{}\n" + strings.Repeat(" ", 200),
	} {
		r, err := NewRecords(strings.NewReader(body), 100)
		if err == nil {
			_, err = r.Next()
		}
		require.ErrorContains(t, err, want)
	}
}

func TestIsJSON(t *testing.T) {
	for _, yes := range []string{"", "application/json", "Application/JSON; charset=utf-8", "application/hits+json", "application/x+JSON ;v=1"} {
		assert.True(t, IsJSON(yes), yes)
	}
	for _, no := range []string{"text/plain", "application/x-ndjson", "+json", "application/jsonp"} {
		assert.False(t, IsJSON(no), no)
	}
}

func FuzzReadMerge(f *testing.F) {
	for _, format := range []string{FormatJSON, FormatMultipart} {
		var body bytes.Buffer
		contentType, err := WriteMerge(&body, format, sample())
		require.NoError(f, err)
		f.Add(contentType, body.Bytes())
	}
	f.Add("multipart/mixed; boundary=x", []byte("--x\r\nContent-Disposition: form-data; name=\"request\"\r\n\r\n{}\r\n--x\r\nPattern-Status: 7\r\n\r\n\r\n--x--\r\n"))
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		m, err := ReadMerge(contentType, bytes.NewReader(body), 1<<20)
		if err != nil {
			return
		}
		format := FormatJSON
		if !strings.HasPrefix(strings.ToLower(strings.TrimSpace(contentType)), TypeJSON) {
			format = FormatMultipart
		}
		var again bytes.Buffer
		contentType, err = WriteMerge(&again, format, m)
		require.NoError(t, err)
		got, err := ReadMerge(contentType, &again, 4<<20)
		require.NoError(t, err)
		require.Len(t, got.Parts, len(m.Parts))
		for i := range m.Parts {
			assert.Equal(t, m.Parts[i].Body, got.Parts[i].Body)
			assert.Equal(t, m.Parts[i].Status, got.Parts[i].Status)
			assert.Equal(t, FormatShards(m.Parts[i].Shards), FormatShards(got.Parts[i].Shards))
		}
		assert.Equal(t, m.Coverage, got.Coverage)
	})
}

func FuzzRecords(f *testing.F) {
	f.Add([]byte("{\"request\":{}}\n{\"shards\":[1],\"record\":{}}\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := NewRecords(bytes.NewReader(body), 1<<16)
		if err != nil {
			return
		}
		for {
			one, err := r.Next()
			if err != nil {
				return
			}
			var again MergeRecord
			require.NoError(t, json.Unmarshal(AppendRecord(nil, one.Shards, one.Record), &again))
			assert.Equal(t, one.Record, again.Record)
		}
	})
}
