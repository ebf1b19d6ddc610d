package batch

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestEach(t *testing.T) {
	tests := []struct {
		name  string
		batch Batch
		want  []string
	}{
		{name: "each line is a record", batch: Batch{Records: []byte("a\n\nbc\n"), Lines: 3}, want: []string{"a", "", "bc"}},
		{name: "records of several lines", batch: Batch{Records: []byte("a\n b\nc\n"), Lines: 3, Ends: []int{5, 7}}, want: []string{"a\n b", "c"}},
		{name: "no record", batch: Batch{}, want: nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			test.batch.Each(func(i int, record []byte) bool {
				assert.Len(t, got, i)
				got = append(got, string(record))
				return true
			})
			assert.Equal(t, test.want, got)
			assert.Equal(t, len(test.want), test.batch.Len())
		})
	}
}

func TestEachEndsWhenAsked(t *testing.T) {
	for _, b := range []Batch{{Records: []byte("a\nb\n"), Lines: 2}, {Records: []byte("a\nb\n"), Lines: 2, Ends: []int{2, 4}}} {
		calls := 0
		b.Each(func(int, []byte) bool { calls++; return false })
		assert.Equal(t, 1, calls)
	}
}

func TestTimesRiseWithinABatchAndRepeat(t *testing.T) {
	first := time.Unix(100, 0)
	b := Batch{Records: []byte("a\nb\nc\nd\n"), Lines: 4, First: first, Last: first.Add(4 * time.Second)}
	var got []time.Duration
	for i := range b.Len() {
		got = append(got, b.Time(i).Sub(first))
	}
	assert.Equal(t, []time.Duration{0, time.Second, 2 * time.Second, 3 * time.Second}, got)
	assert.Equal(t, first, (&Batch{Lines: 1, First: first, Last: first.Add(time.Hour)}).Time(0))
}

func TestObjectNamesSortAsTheirRanges(t *testing.T) {
	assert.Less(t, ObjectName("s", "i", 5, 900), ObjectName("s", "i", 900, 1_000_000))
	assert.Equal(t, "s/i/0000000000000005-0000000000000900", ObjectName("s", "i", 5, 900))
}
