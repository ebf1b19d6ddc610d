package known

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// memory is a store's marks, which ends the process that writes to it after some writes.
type memory struct {
	marks  map[string]string
	writes int
	left   int // writes until the end; negative is never
}

var errEnd = errors.New("the process has ended")

func (m *memory) Mark(_ context.Context, key string) (string, error) { return m.marks[key], nil }

func (m *memory) SetMark(_ context.Context, key, value string) error {
	if m.left == 0 {
		return errEnd
	}
	m.left--
	m.writes++
	m.marks[key] = value
	if value == "" {
		delete(m.marks, key)
	}
	return nil
}

// rig is a source that is read into a queue.
type rig struct {
	*memory
	pending []string
	queue   map[string]int // how often each name was enqueued
	broken  map[string]bool
}

func newRig() *rig {
	return &rig{memory: &memory{marks: map[string]string{}, left: -1}, queue: map[string]int{}, broken: map[string]bool{}}
}

func (r *rig) flush(context.Context) (failed []string, err error) {
	for _, name := range r.pending {
		if r.broken[name] {
			failed = append(failed, name)
			continue
		}
		r.queue[name]++
	}
	r.pending = nil
	return failed, nil
}

func (r *rig) read(names []string, resume bool) (int64, error) {
	set := &Set{Marks: r.memory, Key: "source"}
	r.pending = nil
	var after string
	var count int64
	ctx := context.Background()
	if resume {
		var err error
		if after, count, err = set.Resume(ctx); err != nil {
			return 0, err
		}
	}
	pass, err := set.Pass(ctx, after, r.flush)
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		if name <= after {
			continue
		}
		fresh, err := pass.Offer(ctx, name)
		if err != nil {
			return 0, err
		}
		if fresh {
			r.pending = append(r.pending, name)
		}
	}
	err = pass.End(ctx)
	return count + pass.Count(), err
}

func names(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("picture-%07d.png", i)
	}
	return out
}

func (r *rig) once(t *testing.T, all []string) {
	t.Helper()
	for _, n := range all {
		require.Equal(t, 1, r.queue[n], n)
	}
	require.Len(t, r.queue, len(all))
}

func TestEachNameIsNewOnce(t *testing.T) {
	r := newRig()
	all := names(10_000)
	count, err := r.read(all, false)
	require.NoError(t, err)
	assert.EqualValues(t, len(all), count)
	r.once(t, all)

	before := r.writes
	count, err = r.read(all, false)
	require.NoError(t, err)
	assert.EqualValues(t, len(all), count)
	r.once(t, all)
	assert.Equal(t, before, r.writes, "a pass that finds nothing new writes nothing")
}

func TestNamesThatComeBetweenAreNew(t *testing.T) {
	r := newRig()
	all := names(20_000)
	var half []string
	for i, n := range all {
		if i%2 == 0 {
			half = append(half, n)
		}
	}
	_, err := r.read(half, false)
	require.NoError(t, err)
	_, err = r.read(all, false)
	require.NoError(t, err)
	r.once(t, all)
}

func TestWhatTheSourceNoLongerHasIsForgotten(t *testing.T) {
	r := newRig()
	all := names(20_000)
	_, err := r.read(all, false)
	require.NoError(t, err)
	blocks := len(r.marks)
	_, err = r.read(all[19_900:], false)
	require.NoError(t, err)
	assert.Greater(t, blocks, 15)
	assert.Len(t, r.marks, 1, "the blocks have been joined")
	_, err = r.read(nil, false)
	require.NoError(t, err)
	_, err = r.read(all[:3], false)
	require.NoError(t, err)
	assert.Equal(t, 2, r.queue[all[0]], "what has come back is new")
}

func TestWhatFailedIsNewAgain(t *testing.T) {
	r := newRig()
	all := names(5000)
	r.broken[all[7]], r.broken[all[1023]], r.broken[all[4999]] = true, true, true
	count, err := r.read(all, false)
	require.NoError(t, err)
	assert.EqualValues(t, 4997, count)
	r.broken = nil
	_, err = r.read(all, false)
	require.NoError(t, err)
	r.once(t, all)
}

func TestNothingIsLostWhereverTheProcessEnds(t *testing.T) {
	all := names(6000)
	for end := range 40 {
		r := newRig()
		r.left = end
		_, err := r.read(all, false)
		if err != nil {
			require.ErrorIs(t, err, errEnd)
		}
		r.left = -1
		count, err := r.read(all, true)
		require.NoError(t, err)
		assert.EqualValues(t, len(all), count)
		again := 0
		for _, n := range all {
			require.GreaterOrEqual(t, r.queue[n], 1, "ended at write %d: %s", end, n)
			again += r.queue[n] - 1
		}
		assert.LessOrEqual(t, again, 1024, "ended at write %d: at most a block is offered twice", end)
	}
}

// TestAgainstASet changes a source at random, with ends at random, and compares with what a plain set says.
func TestAgainstASet(t *testing.T) {
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 1))
		r := newRig()
		have := map[string]bool{}
		for round := range 30 {
			for range random.IntN(1500) {
				have[fmt.Sprintf("%c/%05d", 'a'+rune(random.IntN(4)), random.IntN(4000))] = true
			}
			if round%3 == 2 {
				gone := fmt.Sprintf("%c/%d", 'a'+rune(random.IntN(4)), random.IntN(4))
				for n := range have {
					if strings.HasPrefix(n, gone) {
						delete(have, n)
						delete(r.queue, n)
					}
				}
			}
			var list []string
			for n := range have {
				list = append(list, n)
			}
			slices.Sort(list)
			if random.IntN(3) == 0 {
				r.left = random.IntN(5)
			}
			_, err := r.read(list, false)
			r.left = -1
			if err != nil {
				for n := range r.queue { // what was enqueued before the end may be offered again
					r.queue[n] = 1
				}
				if _, err = r.read(list, false); err == nil {
					for n := range r.queue {
						require.LessOrEqual(t, r.queue[n], 2)
						r.queue[n] = 1
					}
				}
			}
			require.NoError(t, err)
			r.once(t, list)
		}
	}
}

func TestADamagedMarkIsNamed(t *testing.T) {
	for _, text := range []string{"{", `{"digests":"???"}`, `{"digests":"AAAA"}`} {
		r := newRig()
		r.marks["source/"] = text
		_, err := r.read(names(1), false)
		assert.ErrorContains(t, err, `the mark "source/" is damaged`)
	}
}

func TestNamesThatDoNotAscendAreRefused(t *testing.T) {
	_, err := newRig().read([]string{"b", "a"}, false)
	assert.ErrorContains(t, err, `lists "a" after "b"`)
}
