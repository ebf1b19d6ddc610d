package fault

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// lines are as the writer writes them.
func lines(from, to int) []byte {
	var out strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&out, "%010d %88d\n", i, i)
	}
	return []byte(out.String())
}

// A harness that cannot fail proves nothing: here is each way in which a saver could be wrong.
func TestTheCheckFindsEachFault(t *testing.T) {
	name := func(identity string, from, to int) string {
		return fmt.Sprintf("web-0/app/app.log/%s/%016d-%016d.log", identity, from*100, to*100)
	}
	tests := []struct {
		name   string
		doctor func(objects map[string][]byte)
		want   string // "" for none
	}{
		{name: "all is well", doctor: func(map[string][]byte) {}},
		{name: "an object is missing", doctor: func(o map[string][]byte) { delete(o, name("a", 10, 20)) }, want: "10 lines lost [10 11 12 13 14]"},
		{name: "a line is missing", doctor: func(o map[string][]byte) { o[name("a", 10, 20)] = lines(11, 20) }, want: "1 lines lost [10]"},
		{name: "a batch came twice under two names", doctor: func(o map[string][]byte) { o[name("b", 0, 10)] = lines(0, 10) }, want: "10 lines twice [0 1 2 3 4]"},
		{name: "ranges overlap", doctor: func(o map[string][]byte) { o[name("a", 5, 10)] = nil }, want: "1 overlapping objects"},
		{name: "lines changed their places", doctor: func(o map[string][]byte) { o[name("a", 10, 20)] = append(lines(15, 20), lines(10, 15)...) }, want: "1 objects out of order"},
		{name: "a line was torn", doctor: func(o map[string][]byte) { o[name("a", 10, 20)][50] = '\n' }, want: "2 strange lines"},
		{name: "two lines were mixed", doctor: func(o map[string][]byte) { copy(o[name("a", 10, 20)], "0000000011") }, want: "1 strange lines"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			objects := map[string][]byte{name("a", 0, 10): lines(0, 10), name("a", 10, 20): lines(10, 20), name("b", 20, 30): lines(20, 30)}
			test.doctor(objects)
			findings, err := Check(objects, 30)
			require.NoError(t, err)
			if test.want == "" {
				require.NoError(t, findings.Err())
				assert.Equal(t, 30, findings.Lines)
				return
			}
			require.ErrorContains(t, findings.Err(), test.want)
		})
	}
}

func TestTheCheckRefusesWhatItCannotRead(t *testing.T) {
	_, err := Check(map[string][]byte{"a/0-1.log.zst": []byte("not zstd")}, 1)
	require.Error(t, err)
	_, err = Check(map[string][]byte{"a/b.log": nil}, 1)
	require.ErrorContains(t, err, "no range")
}
