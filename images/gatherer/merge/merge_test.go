package merge

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/config"
	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/contract"
)

var limits = config.Limits{PartBytes: 1 << 20, AnswerBytes: 1 << 20, LineBytes: 1 << 10}

func parts(bodies ...string) []Part {
	out := make([]Part, len(bodies))
	for i, b := range bodies {
		out[i] = Part{Child: fmt.Sprint("shard ", i), Shards: []int{i}, Status: 200, ContentType: "application/json", Body: []byte(b)}
	}
	return out
}

func below(query string) *Request {
	return &Request{Method: "GET", Path: "/", Query: query, Header: http.Header{}, Deadline: time.Now().Add(time.Minute)}
}

func TestBuiltIns(t *testing.T) {
	array := config.Merge{JSONArray: &config.JSONArray{}}
	hits := config.Merge{JSONArray: &config.JSONArray{Items: "result.hits"}}
	top := func(k int, by, order, then, items string) config.Merge {
		return config.Merge{TopK: &config.TopK{K: k, By: by, Order: order, Then: then, Items: items, Parameter: "n"}}
	}
	sums := config.Merge{Sum: &config.Sum{}}
	for _, c := range []struct {
		name, query string
		merge       config.Merge
		bodies      []string
		want        string
	}{
		{"arrays become one, and their elements stay as written", "", array, []string{"[1, 2.50]", " [ ] ", `["a"]`}, `[1, 2.50,"a"]`},
		{"what is no array is an element", "", array, []string{`{"a":1}`, "null", "[3]"}, `[{"a":1},null,3]`},
		{"no parts are an empty array", "", array, nil, `[]`},
		{"an array within keeps its place", "", hits, []string{`{"result":{"hits":[1],"took":3}}`, `{"result":{"hits":[2]}}`}, `{"result":{"hits":[1,2]}}`},
		{"the best of all, the greatest first", "", top(2, "s", "", "", ""), []string{`[{"s":3},{"s":1}]`, `[{"s":2.5}]`}, `[{"s":3},{"s":2.5}]`},
		{"the smallest first", "", top(2, "s", "asc", "", ""), []string{`[{"s":3},{"s":1}]`, `[{"s":2.5}]`}, `[{"s":1},{"s":2.5}]`},
		{"equals go by another field, and then by their shards", "", top(9, "s", "", "n", ""), []string{`[{"s":1,"n":"b","x":0}]`, `[{"s":1,"n":"b","x":1},{"s":1,"n":"a"},{"s":1}]`}, `[{"s":1,"n":"a"},{"s":1,"n":"b","x":0},{"s":1,"n":"b","x":1},{"s":1}]`},
		{"what has no such field is last in both orders", "", top(9, "s", "asc", "", ""), []string{`[{},{"s":null,"x":1},{"s":"a"},{"s":2}]`}, `[{"s":2},{"s":"a"},{},{"s":null,"x":1}]`},
		{"whole numbers are told apart beyond 2^53", "", top(3, "id", "", "", ""), []string{`[{"id":9007199254740992},{"id":9007199254740993}]`, `[{"id":18446744073709551615},{"id":18446744073709551616}]`}, `[{"id":18446744073709551616},{"id":18446744073709551615},{"id":9007199254740993}]`},
		{"negative ones as well", "", top(2, "id", "asc", "", ""), []string{`[{"id":-9007199254740992},{"id":-9007199254740993}]`}, `[{"id":-9007199254740993},{"id":-9007199254740992}]`},
		{"numbers with a point go between them", "", top(4, "id", "asc", "", ""), []string{`[{"id":9007199254740993},{"id":9007199254740992.0},{"id":9007199254740991}]`}, `[{"id":9007199254740991},{"id":9007199254740992.0},{"id":9007199254740993}]`},
		{"a client wants fewer", "n=1", top(3, "s", "", "", ""), []string{`[{"s":3},{"s":1}]`}, `[{"s":3}]`},
		{"nobody gets more than k", "n=9&q=a%20b", top(1, "s", "", "", ""), []string{`[{"s":3},{"s":1}]`}, `[{"s":3}]`},
		{"a number that is none counts for nothing", "n=x", top(1, "s", "", "", ""), []string{`[{"s":3},{"s":1}]`}, `[{"s":3}]`},
		{"a field's name is no language of queries", "", top(1, "@timestamp", "", "", "a.b|c"), []string{`{"a":{"b|c":[{"@timestamp":1},{"@timestamp":2}]}}`}, `{"a":{"b|c":[{"@timestamp":2}]}}`},
		{"numbers are added wherever they are", "", sums, []string{`{"n":1,"by":{"a":2},"v":[1,2],"unit":"s"}`, `{"n":2,"by":{"b":0.5},"v":[3,4],"unit":"s"}`}, `{"n":3,"by":{"a":2,"b":0.5},"v":[4,6],"unit":"s"}`},
		{"sums are exact", "", sums, []string{"9223372036854775807", "9223372036854775807", "1"}, "18446744073709551615"},
		{"points are exact, too", "", sums, []string{"0.1", "0.2", "1e-3"}, "0.301"},
		{"a sum is written in one way only", "", sums, []string{`[1.50,1e2,-0.0,1e300,12E-30]`, `[0,0,0,0,0]`}, `[1.5,100,0,1` + strings.Repeat("0", 300) + `,12e-30]`},
		{"the same may be spelled in two ways", "", sums, []string{`{"a":"\u0041","ok":true,"no":null}`, `{"\u0061":"A","ok":true,"no":null}`}, `{"a":"\u0041","ok":true,"no":null}`},
		{"counts are added", "", config.Merge{Histogram: &config.Histogram{}}, []string{`{"a":1,"b":2}`, `{"b":3,"c":9}`}, `{"a":1,"b":5,"c":9}`},
		{"counts within, none of which goes below the root", "", config.Merge{Histogram: &config.Histogram{Items: "c", Size: 1}}, []string{`{"c":{"a":1}}`, `{"c":{"b":3}}`}, `{"c":{"a":1,"b":3}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, s := New(c.merge, limits)
			require.Nil(t, s)
			in, coverage := below(c.query), contract.Coverage{Shards: 4, Answered: len(c.bodies), Missing: []contract.Missing{{Shard: "3", Reason: "timeout"}}}
			answer, err := m.Merge(t.Context(), in, parts(c.bodies...), coverage)
			require.NoError(t, err)
			assert.Equal(t, c.want, string(answer.Body))
			assert.Equal(t, "application/json", answer.ContentType)

			in.Root = true
			answer, err = m.Merge(t.Context(), in, parts(c.bodies...), coverage)
			require.NoError(t, err)
			var got contract.Envelope[json.RawMessage]
			require.NoError(t, json.Unmarshal(answer.Body, &got), string(answer.Body))
			assert.Equal(t, coverage, got.Coverage)
			assert.NotEmpty(t, got.Results)
		})
	}
}

func TestAHistogramAtTheRoot(t *testing.T) {
	in := below("")
	in.Root = true
	for size, want := range map[int]string{0: `{"z":9,"b":5,"a":1,"c":1.0}`, 2: `{"z":9,"b":5}`} {
		m, _ := New(config.Merge{Histogram: &config.Histogram{Size: size}}, limits)
		answer, err := m.Merge(t.Context(), in, parts(`{"a":1,"b":2}`, `{"b":3,"z":9,"c":1}`), contract.Coverage{})
		require.NoError(t, err)
		assert.Contains(t, string(answer.Body), `"results":`+strings.ReplaceAll(want, "1.0", "1")+"}", "the greatest first")
	}
}

func TestPartsThatCannotBeMerged(t *testing.T) {
	deep := strings.Repeat("[", 501) + strings.Repeat("]", 501)
	for _, c := range []struct {
		name   string
		merge  config.Merge
		bodies []string
		index  int
		want   string
	}{
		{"no JSON", config.Merge{JSONArray: &config.JSONArray{}}, []string{"[1]", "[1"}, 1, "not valid JSON"},
		{"nothing", config.Merge{JSONArray: &config.JSONArray{}}, []string{"[1]", ""}, 1, "not valid JSON"},
		{"no UTF-8", config.Merge{JSONArray: &config.JSONArray{}}, []string{"[\"\xff\"]"}, 0, "UTF-8"},
		{"a trap for parsers that recurse", config.Merge{Sum: &config.Sum{}}, []string{"1", deep}, 1, "nested"},
		{"no such field", config.Merge{JSONArray: &config.JSONArray{Items: "hits"}}, []string{`{"hits":[]}`, "{}"}, 1, `no "hits"`},
		{"no array", config.Merge{TopK: &config.TopK{K: 1, By: "a"}}, []string{"[]", "{}"}, 1, "no array"},
		{"an object among numbers", config.Merge{Sum: &config.Sum{}}, []string{"1", "2", "{}"}, 2, "another type"},
		{"the odd one is the first", config.Merge{Sum: &config.Sum{}}, []string{"{}", "2", "3"}, 0, "another type"},
		{"an array of another length", config.Merge{Sum: &config.Sum{}}, []string{"[1,2]", "[1]", "[1,2]"}, 1, "2 elements"},
		{"an array that is longer", config.Merge{Sum: &config.Sum{}}, []string{"[1,2]", "[1,2]", "[1,2,3]"}, 2, "2 elements"},
		{"texts that differ", config.Merge{Sum: &config.Sum{}}, []string{`{"a":{"b":"x"}}`, `{"a":{"b":"y"}}`}, 1, "a: b: "},
		{"a field twice", config.Merge{Sum: &config.Sum{}}, []string{`{"a":1}`, `{"a":1,"a":2}`}, 1, "twice"},
		{"a number that would never end", config.Merge{Sum: &config.Sum{}}, []string{"1", "1e999999999"}, 1, "too far from 1"},
		{"counts that are none", config.Merge{Histogram: &config.Histogram{}}, []string{`{"a":1}`, `{"a":"1"}`}, 1, "no number"},
		{"no counts", config.Merge{Histogram: &config.Histogram{}}, []string{`[]`}, 0, "no object"},
		{"no JSON for a container", config.Merge{Container: &config.Container{URL: "http://127.0.0.1:1"}}, []string{"1", "x"}, 1, "not valid JSON"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, _ := New(c.merge, limits)
			_, err := m.Merge(t.Context(), below(""), parts(c.bodies...), contract.Coverage{})
			var part *PartError
			require.ErrorAs(t, err, &part)
			assert.Equal(t, c.index, part.Index)
			assert.ErrorContains(t, err, c.want)
		})
	}
	m, _ := New(config.Merge{JSONArray: &config.JSONArray{}}, limits)
	wrong := parts("[1]")
	wrong[0].ContentType = "text/html"
	_, err := m.Merge(t.Context(), below(""), wrong, contract.Coverage{})
	require.ErrorContains(t, err, "text/html")
	assert.Error(t, errors.Unwrap(err))
}

// What parents merge is the same as if the root had merged all leaves.
func TestAnyTreeGivesTheSame(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	number := func() string {
		return []string{fmt.Sprint(r.IntN(5)), fmt.Sprint(r.Int64()), fmt.Sprintf("%.3f", r.NormFloat64()), fmt.Sprint(r.NormFloat64()), fmt.Sprintf("%d.0", r.IntN(4)), "1e3"}[r.IntN(6)]
	}
	elements := func() string {
		var all []string
		for range r.IntN(12) {
			all = append(all, []string{fmt.Sprintf(`{"s":%s,"t":"%d","x":%d}`, number(), r.IntN(3), r.Int()), `{"t":1}`, `{"s":"w"}`}[min(2, r.IntN(8)/3)])
		}
		return "[" + strings.Join(all, ", ") + "]"
	}
	counts := func() string {
		all := []string{}
		for _, name := range r.Perm(6)[:r.IntN(6)] {
			all = append(all, fmt.Sprintf(`"%d":%s`, name, number()))
		}
		return "{" + strings.Join(all, ",") + "}"
	}
	for name, c := range map[string]struct {
		merge config.Merge
		leaf  func() string
	}{
		"json_array":          {config.Merge{JSONArray: &config.JSONArray{}}, elements},
		"json_array of items": {config.Merge{JSONArray: &config.JSONArray{Items: "a.b"}}, func() string { return `{"a":{"b":` + elements() + `}}` }},
		"top_k":               {config.Merge{TopK: &config.TopK{K: 10, By: "s", Then: "t"}}, elements},
		"top_k ascending":     {config.Merge{TopK: &config.TopK{K: 70, By: "s", Order: "asc", Items: "h"}}, func() string { return `{"h":` + elements() + `}` }},
		"sum": {config.Merge{Sum: &config.Sum{}}, func() string {
			return `{"n":` + number() + `,"c":` + counts() + `,"v":[` + number() + `,` + number() + `]}`
		}},
		"histogram": {config.Merge{Histogram: &config.Histogram{Size: 3}}, counts},
	} {
		t.Run(name, func(t *testing.T) {
			m, _ := New(c.merge, limits)
			merge := func(parts []Part, root bool) []byte {
				in := below("")
				in.Root = root
				answer, err := m.Merge(t.Context(), in, parts, contract.Coverage{Shards: 9, Answered: 9, Complete: true})
				require.NoError(t, err)
				return answer.Body
			}
			for range 200 {
				var leaves []string
				for range 1 + r.IntN(12) {
					leaves = append(leaves, c.leaf())
				}
				level := parts(leaves...)
				want := merge(level, true)
				for range 1 + r.IntN(3) { // neighbours become parents
					var above []Part
					for len(level) > 0 {
						n := 1 + r.IntN(len(level))
						above = append(above, Part{Shards: level[0].Shards, ContentType: "application/json", Body: merge(level[:n], false)})
						level = level[n:]
					}
					level = above
				}
				require.Equal(t, string(want), string(merge(level, true)), leaves)
			}
		})
	}
}

func FuzzMerge(f *testing.F) {
	f.Add([]byte(`{"a":[1,2.5e3,{"b":"\u0041"}]}`), []byte(`{"a":[1,2,{"b":"A"}]}`))
	f.Add([]byte(`[{"s":1e400},{"s":"x"}]`), []byte(`[{"s":99999999999999999999}]`))
	merges := []config.Merge{
		{JSONArray: &config.JSONArray{}}, {JSONArray: &config.JSONArray{Items: "a"}}, {TopK: &config.TopK{K: 3, By: "s"}}, {Sum: &config.Sum{}}, {Histogram: &config.Histogram{}},
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		for _, c := range merges {
			m, _ := New(c, limits)
			given := [2][]byte{bytes.Clone(a), bytes.Clone(b)}
			answer, err := m.Merge(t.Context(), below(""), []Part{{Body: a}, {Body: b}}, contract.Coverage{})
			assert.True(t, bytes.Equal(given[0], a) && bytes.Equal(given[1], b), "parts are not changed")
			if err != nil {
				require.ErrorAs(t, err, new(*PartError))
				continue
			}
			require.True(t, json.Valid(answer.Body), string(answer.Body))
			again, err := m.Merge(t.Context(), below(""), []Part{{Body: answer.Body}}, contract.Coverage{})
			require.NoError(t, err)
			assert.Equal(t, string(answer.Body), string(again.Body), "merging one merged part changes nothing")
		}
	})
}

func BenchmarkMerge(b *testing.B) {
	leaf := func(n int) string {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf(`{"score":%d.5,"title":"a page of a manual with the number %d","path":"/usr/share/man/%d"}`, n-i, i, i))
		}
		return "[" + strings.Join(all, ",") + "]"
	}
	var hits, counts []string
	for range 64 {
		hits = append(hits, leaf(10))
		counts = append(counts, `{"took":3,"by":{"a":1,"b":2,"c":3,"d":4},"total":123456}`)
	}
	for name, c := range map[string]struct {
		merge  config.Merge
		bodies []string
	}{
		"json_array": {config.Merge{JSONArray: &config.JSONArray{}}, hits},
		"top_k":      {config.Merge{TopK: &config.TopK{K: 10, By: "score"}}, hits},
		"sum":        {config.Merge{Sum: &config.Sum{}}, counts},
	} {
		b.Run(name+" of 64 parts", func(b *testing.B) {
			m, _ := New(c.merge, limits)
			all, in := parts(c.bodies...), below("")
			in.Root = true
			b.SetBytes(int64(size(all)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := m.Merge(b.Context(), in, all, contract.Coverage{Shards: 64, Answered: 64, Complete: true}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
