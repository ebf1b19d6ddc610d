package raft

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	hraft "github.com/hashicorp/raft"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/store"
	"github.com/container-patterns/terraform-provider-pattern/images/elector/store/storetest"
)

const (
	within = 20 * time.Second
	tick   = 5 * time.Millisecond
)

// electors of one instance in this process.
type electors struct {
	t     *testing.T
	peers string
	all   []*elector
}

type elector struct {
	*Store
	stop func()
}

func (e *electors) folder(slot int) string {
	return filepath.Join(filepath.Dir(e.peers), fmt.Sprint(slot))
}

func group(t *testing.T, size int) *electors {
	t.Helper()
	e := &electors{t: t, peers: filepath.Join(t.TempDir(), "peers"), all: make([]*elector, size)}
	for slot := range size {
		e.start(slot, nil)
	}
	e.list()
	return e
}

// start a slot.
func (e *electors) start(slot int, secret []byte) {
	e.t.Helper()
	s, err := Open(Options{
		Listen: "127.0.0.1:0", Advertise: "127.0.0.1:1", // nobody is there: they are met where they are listed
		Slot: slot, Size: len(e.all), Peers: e.peers, Folder: e.folder(slot), Secret: secret, Lease: time.Second, Log: logger(e.t, slot),
	})
	require.NoError(e.t, err)
	ctx, cancel := context.WithCancel(e.t.Context())
	var running sync.WaitGroup
	running.Go(func() { assert.NoError(e.t, s.Run(ctx)) })
	one := &elector{Store: s, stop: sync.OnceFunc(func() { cancel(); running.Wait() })}
	e.t.Cleanup(one.stop)
	e.all[slot] = one
}

// list where they are now.
func (e *electors) list() {
	e.t.Helper()
	var text strings.Builder
	for _, one := range e.all {
		if one != nil {
			fmt.Fprintln(&text, one.Address())
		}
	}
	next := e.peers + ".next"
	require.NoError(e.t, os.WriteFile(next, []byte(text.String()), 0o600))
	require.NoError(e.t, os.Rename(next, e.peers))
}

// lose the folder of a slot that has stopped.
func (e *electors) lose(slot int) { require.NoError(e.t, os.RemoveAll(e.folder(slot))) }

// logger shows what is said if the test fails.
func logger(t *testing.T, slot int) *slog.Logger {
	var mu sync.Mutex
	var said strings.Builder
	t.Cleanup(func() {
		mu.Lock()
		defer mu.Unlock()
		if t.Failed() {
			text := said.String()
			t.Log(text[max(0, len(text)-8000):])
		}
	})
	return slog.New(slog.NewTextHandler(writer(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return said.Write(p)
	}), &slog.HandlerOptions{Level: slog.LevelInfo})).With("at", slot)
}

type writer func(p []byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

func (e *electors) vote(slots ...int) {
	e.t.Helper()
	for _, slot := range slots {
		require.Eventually(e.t, func() bool { return e.all[slot].Voter() == nil }, within, tick, "slot %d votes", slot)
	}
}

// voters of the leader's configuration.
func (e *electors) voters() (out []string) {
	e.t.Helper()
	require.Eventually(e.t, func() bool {
		for _, one := range e.all {
			if s := one.state(); s.Leader != "" && s.Leader == s.ID {
				out = s.Voters
				return true
			}
		}
		return false
	}, within, tick, "one leads")
	return out
}

func (e *electors) write(slot int, key, value string) store.Record {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(e.t.Context(), within)
	defer cancel()
	r, err := e.all[slot].Get(ctx, key)
	require.NoError(e.t, err)
	_, err = e.all[slot].Put(ctx, key, []byte(value), r.Version)
	require.NoError(e.t, err)
	return e.read(slot, key)
}

func (e *electors) read(slot int, key string) store.Record {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(e.t.Context(), within)
	defer cancel()
	r, err := e.all[slot].Get(ctx, key)
	require.NoError(e.t, err)
	return r
}

func TestStore(t *testing.T) {
	e := group(t, 3)
	n := 0
	storetest.Run(t, func(*testing.T) store.Store { n++; return e.all[n%3].Store }, [4]string{"a", "b", "c", "d"})
}

func TestFiveElectorsFoundOneCluster(t *testing.T) {
	t.Parallel()
	e := group(t, 5)
	e.vote(0, 1, 2, 3, 4)
	assert.Len(t, e.voters(), 5)
}

func TestFewerThanAllFoundNothing(t *testing.T) {
	t.Parallel()
	e := &electors{t: t, peers: filepath.Join(t.TempDir(), "peers"), all: make([]*elector, 3)}
	e.start(0, nil)
	e.start(1, nil)
	e.list()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := e.all[0].Get(ctx, "a")
	require.ErrorContains(t, err, "get a of the electors' table: this elector is in no cluster yet (nobody answers for slot 2)")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	e.start(2, nil)
	e.list()
	e.vote(0, 1, 2)
}

func TestWhoComesBackIsTheSame(t *testing.T) {
	t.Parallel()
	e := group(t, 3)
	e.vote(0, 1, 2)
	was := e.write(0, "a", "1")
	before := e.voters()
	for slot := range e.all {
		e.all[slot].stop()
	}
	for slot := range e.all { // all of them at other addresses
		e.start(slot, nil)
	}
	e.list()
	e.vote(0, 1, 2)
	assert.Equal(t, was, e.read(1, "a"))
	assert.ElementsMatch(t, before, e.voters())
}

func TestAllFoldersAreLostOneAfterTheOther(t *testing.T) {
	t.Parallel()
	e := group(t, 3)
	e.vote(0, 1, 2)
	was := e.write(0, "a", "1")
	for slot := range e.all {
		id := e.all[slot].state().ID
		e.all[slot].stop()
		e.lose(slot)
		e.start(slot, nil)
		begun := time.Now()
		e.list()
		e.vote(slot)
		t.Log("has a vote again after ", time.Since(begun))
		assert.Len(t, e.voters(), 3)
		assert.NotContains(t, e.voters(), id)
		assert.Equal(t, was, e.read(slot, "a"))
	}
}

func TestRescue(t *testing.T) {
	for name, lost := range map[string][]int{"two of three": {0, 1}, "the others": {1, 2}, "all": {0, 1, 2}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := group(t, 3)
			e.vote(0, 1, 2)
			was := e.write(0, "a", "1")
			for _, slot := range lost {
				e.all[slot].stop()
				e.lose(slot)
			}
			for _, slot := range lost {
				e.start(slot, nil)
			}
			begun := time.Now()
			e.list()
			require.Eventually(t, func() bool { return e.all[0].Stats().Generation > was.Generation }, within, tick)
			e.vote(0, 1, 2)
			t.Log("rescued after ", time.Since(begun))
			is := e.read(2, "a")
			assert.Nil(t, is.Value)
			assert.Greater(t, is.Generation, was.Generation)
			assert.Less(t, is.Generation, uint64(1)<<53)
			_, err := e.all[0].Put(t.Context(), "a", []byte("2"), was.Version)
			require.ErrorIs(t, err, store.ErrConflict, "what was read before the rescue changes nothing after it")
			e.write(1, "a", "3")
		})
	}
}

func TestWhatIsMadeAnewAfterARescueGoesOnAboveIt(t *testing.T) {
	t.Parallel()
	e := group(t, 3)
	last := uint64(0)
	for _, lost := range [][]int{nil, {1, 2}, {0, 1, 2}} {
		for _, slot := range lost {
			e.all[slot].stop()
			e.lose(slot)
		}
		for _, slot := range lost {
			e.start(slot, nil)
		}
		e.list()
		require.Eventually(t, func() bool { is := e.all[0].Stats().Generation; return is > 0 && is != last }, within, tick)
		e.vote(0, 1, 2)
		is := e.all[0].Stats().Generation
		require.Greater(t, is, last, "after %v have lost what they knew", lost)
		last = is
	}
}

func TestAFolderOfThePastGivesUp(t *testing.T) {
	t.Parallel()
	e := group(t, 3)
	e.vote(0, 1, 2)
	was := e.write(0, "a", "1")
	for _, slot := range []int{1, 2} {
		e.all[slot].stop()
		require.NoError(t, os.Rename(e.folder(slot), e.folder(slot)+"-away"))
		e.start(slot, nil)
	}
	e.list()
	require.Eventually(t, func() bool { return e.all[2].Stats().Generation > was.Generation }, within, tick)
	e.vote(0, 1, 2)
	e.all[2].stop()
	e.lose(2)
	require.NoError(t, os.Rename(e.folder(2)+"-away", e.folder(2)))
	e.start(2, nil)
	e.list()
	e.vote(2)
	assert.Greater(t, e.all[2].Stats().Generation, was.Generation)
}

func TestWhoDoesNotHaveTheSecretIsRefused(t *testing.T) {
	t.Parallel()
	e := &electors{t: t, peers: filepath.Join(t.TempDir(), "peers"), all: make([]*elector, 3)}
	e.start(0, []byte("right"))
	e.start(1, []byte("right"))
	e.start(2, []byte("wrong"))
	e.list()
	require.Eventually(t, func() bool {
		return strings.Contains(e.all[0].missing(), "nobody answers for slot 2") && strings.Contains(e.all[0].missing(), "secret_file")
	}, within, tick)
	require.Eventually(t, func() bool { return strings.Contains(e.all[2].missing(), "secret_file") }, within, tick)
	e.all[2].stop()
	e.start(2, nil)
	e.list()
	require.Eventually(t, func() bool { return strings.Contains(e.all[2].missing(), "secret_file") }, within, tick)
	assert.Error(t, e.all[0].Voter())
	e.all[2].stop()
	e.start(2, []byte("right"))
	e.list()
	e.vote(0, 1, 2)
}

func TestTheTable(t *testing.T) {
	t.Parallel()
	c := cluster{ID: "x", Generation: 7}
	was, is := newTable(c, func() {}), newTable(c, func() {})
	raw, err := json.Marshal(newCommand("a", []byte("1"), was.version(0)))
	require.NoError(t, err)
	assert.Equal(t, applied{version: "7-5"}, was.Apply(entry(5, raw)))
	assert.Equal(t, applied{version: "7-5"}, was.Apply(entry(6, raw)), "the same put twice")
	snap, err := was.Snapshot()
	require.NoError(t, err)
	buffer, err := json.Marshal(snap)
	require.NoError(t, err)
	require.NoError(t, is.Restore(closer{strings.NewReader(string(buffer))}))
	assert.Equal(t, was.rows, is.rows)
}

func TestGenerationsGrow(t *testing.T) {
	epoch := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	now := epoch.Add(time.Hour)
	assert.Equal(t, uint64(3600e6), generation(now, 0))
	assert.Equal(t, uint64(3600e6), generation(now, 0))
	assert.Equal(t, uint64(3600e6+gap), generation(now, 3600e6), "and by more than there can have been terms")
	assert.Equal(t, uint64(7200e6+gap), generation(now, 7200e6), "also if the clock goes back")
	assert.Equal(t, uint64(3602e6), generation(now.Add(2*time.Second), 3600e6), "it is not ahead of the clock, by which those go that know of none before")
	assert.Less(t, generation(epoch.AddDate(200, 0, 0), 0), uint64(1)<<53)
}

func entry(index uint64, raw []byte) *hraft.Log { return &hraft.Log{Index: index, Data: raw} }

type closer struct{ io.Reader }

func (closer) Close() error { return nil }

func TestElects(t *testing.T) {
	old, newer := cluster{ID: "old", Generation: 1}, cluster{ID: "newer", Generation: 2}
	has := func(id string, c cluster, last uint64, voters ...string) peer {
		return peer{state: state{identity: identity{ID: id, Slot: slotOf(id), Cluster: c}, LastIndex: last, Voters: voters}}
	}
	for _, test := range []struct {
		name string
		all  []peer
		can  bool
	}{
		{"nobody has a configuration", []peer{has("0-a", cluster{}, 0), has("1-a", cluster{}, 0), has("2-a", cluster{}, 0)}, false},
		{"two of three", []peer{has("0-a", old, 5, "0-a", "1-a", "2-a"), has("1-a", old, 5, "0-a", "1-a", "2-a"), has("2-b", cluster{}, 0)}, true},
		{"one of three", []peer{has("0-a", old, 5, "0-a", "1-a", "2-a"), has("1-b", cluster{}, 0), has("2-b", cluster{}, 0)}, false},
		{"who has no vote does not count", []peer{has("0-a", old, 5, "0-a", "1-a", "2-a"), has("1-b", old, 5, "0-a", "1-a", "2-a"), has("2-b", old, 0)}, false},
		{"who knows most counts", []peer{has("0-a", old, 5, "0-a", "1-a", "2-a"), has("1-a", old, 9, "1-a", "2-b", "0-b"), has("2-a", old, 5, "0-a", "1-a", "2-a")}, false},
		{"of different clusters", []peer{has("0-a", old, 5, "0-a", "1-a", "2-a"), has("1-a", newer, 5, "0-b", "1-a", "2-a"), has("2-c", cluster{}, 0)}, false},
	} {
		t.Run(test.name, func(t *testing.T) { assert.Equal(t, test.can, elects(test.all)) })
	}
}

func TestWhatAServerPromises(t *testing.T) {
	e := &electors{t: t, peers: filepath.Join(t.TempDir(), "peers"), all: make([]*elector, 3)}
	e.start(1, nil)
	s := e.all[1].Store
	first, second := cluster{ID: "first", Generation: 1}, cluster{ID: "second", Generation: 2}
	own := []server{{ID: s.me.ID, Address: s.Advertise}}
	require.ErrorContains(t, s.begin(first, own), "has not promised")
	require.NoError(t, s.promise(second))
	require.ErrorContains(t, s.promise(first), "newer")
	require.ErrorContains(t, s.join(first), "promised")
	require.ErrorContains(t, s.begin(first, own), "has not promised")
	require.ErrorContains(t, s.begin(second, []server{{ID: "1-other"}}), "not in the configuration")
	require.NoError(t, s.begin(second, own))
	require.NoError(t, s.join(second), "it has")
	require.ErrorContains(t, s.join(first), "newer")
	require.ErrorContains(t, s.promise(cluster{ID: "third", Generation: 3}), "too shortly ago")
}

func TestASlotThatThereIsNoMoreLosesItsVote(t *testing.T) {
	t.Parallel()
	e := group(t, 5)
	e.vote(0, 1, 2, 3, 4)
	e.all[3].stop()
	e.all[4].stop()
	e.all = e.all[:3]
	for slot := range e.all {
		e.all[slot].stop()
		e.start(slot, nil)
	}
	e.list()
	require.Eventually(t, func() bool { return len(e.voters()) == 3 }, within, tick)
	e.vote(0, 1, 2)
}

func TestWhoHasLostItsLogAloneIsNew(t *testing.T) {
	t.Parallel()
	e := group(t, 3)
	e.vote(0, 1, 2)
	was := e.write(0, "a", "1")
	id := e.all[1].state().ID
	e.all[1].stop()
	logs, err := filepath.Glob(filepath.Join(e.folder(1), logPrefix+"*"))
	require.NoError(t, err)
	require.Len(t, logs, 1)
	require.NoError(t, os.RemoveAll(logs[0]))
	e.start(1, nil)
	e.list()
	e.vote(1)
	assert.NotContains(t, e.voters(), id)
	assert.Equal(t, was, e.read(1, "a"))
}
