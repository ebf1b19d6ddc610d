package frame

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/config"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/multiline"
)

func grouper(t *testing.T, first string) multiline.Grouper {
	g, err := multiline.New(&config.Multiline{Pattern: first})
	require.NoError(t, err)
	return g
}

func TestCut(t *testing.T) {
	records := func(texts ...string) []string { return texts }
	tests := []struct {
		name          string
		window        string
		mode          Mode
		midLine, full bool
		first         string // multi-line pattern
		maxLines      int
		want          []string
		length        int
		open          bool
	}{
		{name: "whole lines are taken as they are", window: "a\nbb\n\nc\n", want: records("a", "bb", "", "c"), length: 8},
		{name: "a last line without end is held back", window: "a\nbb", want: records("a"), length: 2},
		{name: "a lone line without end is held back", window: "abc", length: 0},
		{name: "a last line without end is taken when the file has gone", window: "a\nbb", mode: Flush, want: records("a", "bb"), length: 4},
		{name: "CRLF is taken for LF", window: "a\r\nb\rc\r\n", want: records("a", "b\rc"), length: 8},
		{name: "a line of just the limit is not split", window: "0123456789\n", want: records("0123456789"), length: 11},
		{name: "a line above the limit is split and marked", window: "0123456789abcdefghijKLM\nx\n",
			want: records("0123456789 <continues>", "<continued> abcdefghij <continues>", "<continued> KLM", "x"), length: 26},
		{name: "a line above the limit is not waited for", window: "0123456789abcdefghijKLM",
			want: records("0123456789 <continues>", "<continued> abcdefghij <continues>"), length: 20, open: true},
		{name: "a range that begins within a line says so", window: "KLM\nx\n", midLine: true, want: records("<continued> KLM", "x"), length: 6},
		{name: "a line's end alone adds no record", window: "\nx\n", midLine: true, want: records("x"), length: 3},
		{name: "a range that ends within a line gives the same when it is cut again", window: "0123456789abcdefghij", mode: Open,
			want: records("0123456789 <continues>", "<continued> abcdefghij <continues>"), length: 20, open: true},
		{name: "a window that cannot grow goes out", window: "012345", full: true, want: records("01234 <continues>"), length: 5, open: true},
		{name: "no character is torn", window: "01234567€89\n", want: records("01234567 <continues>", "<continued> €89"), length: 14},
		{name: "bytes that are no UTF-8 are split at the limit", window: "0123456\x80\x80\x80\x80\x80\n",
			want: records("0123456\x80\x80\x80 <continues>", "<continued> \x80\x80"), length: 13},

		{name: "the last record is held back, a line may join it", window: "> a\nb\n> c\nd\n", first: "^>", want: records("> a\nb"), length: 6},
		{name: "a lone record is held back", window: "> a\nb\n", first: "^>", length: 0},
		{name: "a record is complete after the timeout", window: "> a\nb\n> c\nd\ne", first: "^>", mode: Settle, want: records("> a\nb", "> c\nd"), length: 12},
		{name: "all is taken when the file has gone", window: "> a\nb\n> c\nd", first: "^>", mode: Flush, want: records("> a\nb", "> c\nd"), length: 11},
		{name: "a record that fills the window goes out", window: "> a\nb\n", first: "^>", full: true, want: records("> a\nb"), length: 6},
		{name: "a record of too many lines is split and marked", window: "> a\nb\nc\nd\ne\n> f\n", first: "^>", mode: Settle, maxLines: 2,
			want: records("> a\nb", "<continued> c\nd", "<continued> e", "> f"), length: 16},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			rules := Rules{MaxLine: 10, MaxLines: 100}
			if test.maxLines > 0 {
				rules.MaxLines = test.maxLines
			}
			if test.first != "" {
				rules.Grouper = grouper(t, test.first)
			}
			cut := rules.Cut([]byte(test.window), test.mode, test.midLine, test.full, nil)
			assert.Equal(t, test.length, cut.Length)
			assert.Equal(t, test.open, cut.Open)
			assert.Equal(t, test.want, split(cut))
			assert.Equal(t, strings.Count(string(cut.Records), "\n"), cut.Lines)
		})
	}
}

// split takes the records of a cut apart.
func split(cut Cut) (all []string) {
	if cut.Ends == nil {
		for line := range strings.Lines(string(cut.Records)) {
			all = append(all, strings.TrimSuffix(line, "\n"))
		}
		return all
	}
	start := 0
	for _, end := range cut.Ends {
		all = append(all, string(cut.Records[start:end-1]))
		start = end
	}
	return all
}

// joined takes the marks out and puts split lines together again.
func joined(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, Continues+"\n"+Continued, ""), "\n"+Continued, "\n")
}

func TestAnyWayOfCuttingKeepsEveryByteAndRepeats(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		var file strings.Builder
		for range random.IntN(12) {
			file.WriteString(strings.Repeat(string(rune('a'+random.IntN(26))), random.IntN(35)))
			file.WriteByte('\n')
		}
		data := []byte(file.String())
		rules := Rules{MaxLine: 10}
		var got strings.Builder
		for at := 0; at < len(data); {
			end := min(len(data), at+1+random.IntN(40))
			mid := at > 0 && data[at-1] != '\n'
			cut := rules.Cut(data[at:end], Hold, mid, random.IntN(4) == 0, nil)
			if cut.Length == 0 {
				continue
			}
			mode := Flush
			if cut.Open {
				mode = Open
			}
			again := rules.Cut(data[at:at+cut.Length], mode, mid, false, nil)
			require.Equal(t, string(cut.Records), string(again.Records), "a range that is cut again gives the same records")
			require.Equal(t, cut.Lines, again.Lines)
			got.Write(cut.Records)
			at += cut.Length
		}
		require.Equal(t, string(data), joined(got.String()), "of %q", data)
	}
}

func BenchmarkCut(b *testing.B) {
	window := []byte(strings.Repeat(strings.Repeat("x", 99)+"\n", 20_000))
	rules := Rules{MaxLine: 64 << 10}
	b.SetBytes(int64(len(window)))
	for b.Loop() {
		if rules.Cut(window, Hold, false, true, nil).Lines != 20_000 {
			b.Fatal("lines are missing")
		}
	}
}
