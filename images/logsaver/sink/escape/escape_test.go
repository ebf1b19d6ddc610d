package escape

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func FuzzAppendIsWhatJSONReadsBack(f *testing.F) {
	for _, text := range []string{"", "plain", `"\` + "\n\r\t\x00\x1f\x7f", "ä€😀", "caf\xe9", "\xf0\x9f\x98", "\ufffd", "<&>\u2028"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		out, ok := Append([]byte("before"), text)
		require.True(t, strings.HasPrefix(string(out), "before"))
		var back string
		require.NoError(t, json.Unmarshal(out[len("before"):], &back))
		assert.Equal(t, utf8.Valid(text), ok)
		want := make([]rune, 0, len(text))
		for _, r := range string(text) { // a range over a string puts U+FFFD for each byte that is not UTF-8
			want = append(want, r)
		}
		assert.Equal(t, string(want), back)
	})
}
