package saver

import (
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/checkpoint"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/follow"
)

// doctor changes the checkpoint of a saver that is down.
func (r *rig) doctor(change func(*checkpoint.State)) {
	r.t.Helper()
	name := filepath.Join(r.config.StateDir, "checkpoint.json")
	data, err := os.ReadFile(name)
	require.NoError(r.t, err)
	var state checkpoint.State
	require.NoError(r.t, json.Unmarshal(data, &state))
	change(&state)
	data, err = json.Marshal(state)
	require.NoError(r.t, err)
	require.NoError(r.t, os.WriteFile(name, data, 0o600))
}

func TestWhatHappensWhileTheSaverIsDown(t *testing.T) {
	tests := []struct {
		name   string
		happen func(r *rig)
		want   []string // besides "before"
		lost   bool
	}{
		{name: "nothing", happen: func(*rig) {}},
		{name: "more lines", happen: func(r *rig) { r.append("a.log", "more") }, want: []string{"more"}},
		{
			name:   "a rotation",
			happen: func(r *rig) { r.append("a.log", "more"); r.rename("a.log", "a.log.1"); r.append("a.log", "new") },
			want:   []string{"more", "new"},
		},
		{
			name:   "a rotation to a name that no glob has",
			happen: func(r *rig) { r.append("a.log", "more"); r.rename("a.log", "put-away"); r.append("a.log", "new") },
			want:   []string{"more", "new"},
		},
		{
			name: "a file that came and was rotated",
			happen: func(r *rig) {
				r.rename("a.log", "a.log.2")
				r.append("a.log", "never seen under its name")
				r.rename("a.log", "a.log.1")
				r.append("a.log", "new")
			},
			want: []string{"never seen under its name", "new"},
		},
		{
			name:   "a rotation by copying",
			happen: func(r *rig) { r.append("a.log", "more"); r.copyTruncate("a.log", "a.log.1"); r.append("a.log", "new") },
			want:   []string{"more", "new"},
		},
		{
			name: "a rotation by copying, and more lines than there were",
			happen: func(r *rig) {
				r.append("a.log", "more")
				r.copyTruncate("a.log", "a.log.1")
				r.append("a.log", numbered("new", 0, 20)...)
			},
			want: append(numbered("new", 0, 20), "more"),
		},
		{
			name: "another file on the same inode",
			happen: func(r *rig) {
				require.NoError(r.t, os.WriteFile(r.path("a.log"), []byte("not before, but another beginning\n"), 0o644))
			},
			want: []string{"not before, but another beginning"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t)
			r.append("a.log", "before")
			r.start()
			r.wait("before")
			r.finish()
			test.happen(r)
			r.start()
			want := append([]string{"before"}, test.want...)
			r.wait(want...)
			r.stays(want...)
			r.finish()
			r.start()
			r.stays(want...)
		})
	}
}

func TestARangeThatWasNotAcknowledgedIsWrittenAgainUnderItsName(t *testing.T) {
	r := newRig(t)
	lines := numbered("line", 0, 1000)
	r.append("a.log", lines...)
	r.start()
	r.wait(lines...)
	r.finish()
	before := map[string]string{}
	for name, records := range r.store.objects {
		before[name] = records
	}

	// Back to the state of a saver that was killed when it had written all but the first range, and knew of none.
	var ranges []checkpoint.Range
	for _, name := range r.store.names {
		var start, end int64
		_, err := fmt.Sscanf(path.Base(name), "%d-%d", &start, &end)
		require.NoError(t, err)
		ranges = append(ranges, checkpoint.Range{End: end, First: time.Now(), Last: time.Now()})
	}
	r.doctor(func(state *checkpoint.State) {
		state.Files[0].Offset, state.Files[0].Tail, state.Files[0].Pending = 0, follow.Print{}, ranges
	})
	require.GreaterOrEqual(t, len(ranges), 3)
	delete(r.store.objects, r.store.names[0])
	r.store.names = r.store.names[1:]
	r.append("a.log", "more")
	r.start()
	r.wait(append(lines, "more")...)
	for name, records := range before {
		assert.Equal(t, records, r.store.objects[name])
	}
}

func TestCopyTruncate(t *testing.T) {
	tests := []struct {
		name, to string
		lost     bool
	}{
		{name: "a copy that the rotation's suffixes name gives back what was not read", to: "a.log.1"},
		{name: "a copy that no glob has cannot, and that is counted", to: "elsewhere", lost: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t)
			r.adapt = func(s *Saver) { s.orphanTime = 2 * time.Second }
			r.start()
			r.append("a.log", numbered("one", 0, 100)...)
			r.wait(numbered("one", 0, 100)...)
			r.raw("a.log", "not ended") // held back: so it is surely not read when the truncation comes
			r.stays(numbered("one", 0, 100)...)
			r.copyTruncate("a.log", test.to)
			r.append("a.log", numbered("two", 0, 5)...)
			want := append(numbered("one", 0, 100), numbered("two", 0, 5)...)
			if !test.lost {
				r.finish()
				want = append(want, "not ended")
			}
			r.wait(want...)
			assert.Equal(t, 1, r.get(&r.truncated))
			if test.lost {
				lost := func() int64 { r.mu.Lock(); defer r.mu.Unlock(); return r.lost }
				require.Eventually(t, func() bool { return lost() == int64(len("not ended")) }, 10*time.Second, time.Millisecond)
			} else {
				assert.Zero(t, r.lost)
			}
		})
	}
}

func TestAWriterThatDoesNotAppendLeavesAHole(t *testing.T) {
	r := newRig(t)
	file, err := os.Create(r.path("a.log")) // no O_APPEND
	require.NoError(t, err)
	defer file.Close()
	write := func(lines []string) {
		_, err := file.WriteString(strings.Join(lines, "\n") + "\n")
		require.NoError(t, err)
	}
	write(numbered("one", 0, 900))
	r.start()
	r.wait(numbered("one", 0, 900)...)
	require.NoError(t, os.Truncate(r.path("a.log"), 0))
	write(numbered("two", 0, 10)) // at the old offset: zeros before it
	r.wait(append(numbered("one", 0, 900), numbered("two", 0, 10)...)...)
	assert.Equal(t, 1, r.get(&r.truncated))
	r.crash()
	r.start()
	write([]string{"three"})
	r.wait(append(numbered("one", 0, 900), append(numbered("two", 0, 10), "three")...)...)
}

func TestAnInodeThatIsUsedAgainIsNoTruncation(t *testing.T) {
	r := newRig(t)
	r.append("a.log", "one")
	r.start()
	r.wait("one")
	r.rename("a.log", "a.log.1")
	r.finish()
	require.NoError(t, os.Remove(r.path("a.log.1")))
	// Most filesystems give the inode to the next file; where they do not, there is nothing to see.
	r.append("a.log", "two")
	r.start()
	r.wait("one", "two")
	assert.Zero(t, r.get(&r.truncated))
	assert.Zero(t, r.lost)
}

func TestACopyThatIsNoRotationIsNotReadAgain(t *testing.T) {
	r := newRig(t).start()
	r.append("a.log", "one", "two")
	r.wait("one", "two")
	data, err := os.ReadFile(r.path("a.log"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(r.path("a.log.bak"), data, 0o644))
	old := time.Now().Add(-time.Minute)
	require.NoError(t, os.Chtimes(r.path("a.log.bak"), old, old))
	r.append("a.log", "three")
	r.wait("one", "two", "three")
	r.finish()
	r.start()
	r.stays("one", "two", "three")
}

func TestSinkAway(t *testing.T) {
	r := newRig(t).start()
	r.append("a.log", "before")
	r.wait("before")
	r.store.setAway(true)
	r.append("a.log", "during")
	require.Eventually(t, func() bool { return r.get(&r.spooled) > 0 }, 10*time.Second, time.Millisecond)
	r.crash()
	require.NoError(t, os.Remove(r.path("a.log")), "what the spool has is safe without the file")
	r.start()
	r.append("b.log", "meanwhile")
	r.store.setAway(false)
	r.wait("before", "during", "meanwhile")
}

func TestFullSpool(t *testing.T) {
	fill := func(onFull string) (*rig, []string) {
		r := newRig(t)
		r.config.Spool.OnFull = onFull
		r.config.Spool.MaxBytes = 20 << 10
		r.store.away = true
		lines := numbered(strings.Repeat("x", 100), 0, 1000)
		r.append("a.log", lines...)
		r.start()
		return r, lines
	}
	t.Run("block loses nothing", func(t *testing.T) {
		r, lines := fill("block")
		require.Eventually(t, func() bool { return r.saver.deliver.Status().Blocked }, 10*time.Second, time.Millisecond)
		r.store.setAway(false)
		r.wait(lines...)
		assert.Zero(t, r.get(&r.dropped))
	})
	for _, policy := range []string{"drop_oldest", "drop_newest"} {
		t.Run(policy+" counts what it drops", func(t *testing.T) {
			r, lines := fill(policy)
			require.Eventually(t, func() bool {
				state, _ := r.saver.registry.snapshot()
				return len(state.Files) == 1 && state.Files[0].Offset == int64(len(lines)*len(lines[0])+len(lines))
			}, 10*time.Second, time.Millisecond, "all is read")
			r.store.setAway(false)
			r.finish()
			stored := r.store.lines()
			dropped := r.get(&r.dropped)
			assert.Positive(t, dropped)
			assert.Equal(t, len(lines), len(stored)+dropped)
			if policy == "drop_oldest" {
				assert.Equal(t, lines[len(lines)-1], stored[len(stored)-1], "the newest are there")
			} else {
				assert.Equal(t, lines[0], stored[0], "the oldest are there")
			}
		})
	}
}
