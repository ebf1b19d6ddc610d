package contract

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCoverageInHeaders(t *testing.T) {
	for _, c := range []struct {
		name             string
		coverage         Coverage
		headers, missing string
	}{
		{"all have answered", Coverage{Shards: 8, Answered: 8, Complete: true}, "8/8", ""},
		{"two are missing", Coverage{Shards: 8, Answered: 6, Missing: []Missing{{"3", "timeout"}, {"5", `status "500" \ why`}}}, "6/8", `3;reason="timeout", 5;reason="status \"500\" \\ why"`},
		{"one of a scatter/gather below", Coverage{Shards: 2, Answered: 1, Missing: []Missing{{"1/3", "no replica"}}}, "1/2", `"1/3";reason="no replica"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := http.Header{}
			c.coverage.Write(h)
			assert.Equal(t, c.headers, h.Get(HeaderCoverage))
			assert.Equal(t, c.missing, h.Get(HeaderMissing))
			read, told, err := ReadCoverage(h.Get)
			require.NoError(t, err)
			assert.True(t, told)
			assert.Equal(t, c.coverage, read)
		})
	}
	_, told, err := ReadCoverage(http.Header{}.Get)
	require.NoError(t, err)
	assert.False(t, told)
	for _, wrong := range []string{"8", "a/8", "9/8", "-1/8", "8/"} {
		_, _, err := ReadCoverage(http.Header{HeaderCoverage: {wrong}}.Get)
		assert.Error(t, err, wrong)
	}
}

func TestWhatOthersMayWrite(t *testing.T) {
	got, err := ParseMissing(`  7 ; at=12;reason=timeout;final ,	"x/1"`)
	require.ErrorContains(t, err, "want a comma")
	assert.Nil(t, got)
	got, err = ParseMissing(`7;at=12;reason=timeout;final ,	"x/1"`)
	require.NoError(t, err)
	assert.Equal(t, []Missing{{"7", "timeout"}, {"x/1", ""}}, got)
	for _, wrong := range []string{",", "3,", `"open`, `"a\b"`, "3;=x", "3;reason=", "3 4", "\x00"} {
		_, err := ParseMissing(wrong)
		assert.Error(t, err, wrong)
	}
}

func TestShards(t *testing.T) {
	for set, text := range map[string][]int{"0-3,7": {7, 3, 2, 1, 0, 7}, "5": {5}, "0-1": {0, 1}, "1,3,5": {1, 3, 5}} {
		assert.Equal(t, set, FormatShards(text))
	}
	got, err := ParseShards(" 7, 0-3,2")
	require.NoError(t, err)
	assert.Equal(t, []int{0, 1, 2, 3, 7}, got)
	for _, wrong := range []string{"", "a", "3-1", "-1", "1-", "0-99999999", "1,,2"} {
		_, err := ParseShards(wrong)
		assert.Error(t, err, wrong)
	}
}

func FuzzMissing(f *testing.F) {
	for _, seed := range []string{"", `3;reason="timeout", 5`, `"1/3";reason="a\"b"`, "7;a;b=c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		missing, err := ParseMissing(text)
		if err != nil {
			return
		}
		again, err := ParseMissing(FormatMissing(missing))
		require.NoError(t, err)
		for i := range missing { // what is very long is cut
			if len(missing[i].Reason) <= maxReason && len(missing[i].Shard) <= maxReason {
				assert.Equal(t, missing[i], again[i])
			}
		}
	})
}

func FuzzShards(f *testing.F) {
	f.Add("0-3,7")
	f.Fuzz(func(t *testing.T, text string) {
		shards, err := ParseShards(text)
		if err != nil {
			return
		}
		again, err := ParseShards(FormatShards(shards))
		require.NoError(t, err)
		assert.Equal(t, shards, again)
	})
}
