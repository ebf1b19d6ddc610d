package raft

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"strconv"
	"sync"

	hraft "github.com/hashicorp/raft"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/store"
)

// A command is an entry of the log: a change of a record, if it still has a version.
type command struct {
	Key     string `json:"key"`
	Value   []byte `json:"value"`
	Version string `json:"version"`
	// Token is of one Put, which may be in the log twice where an answer was lost.
	Token string `json:"token"`
}

// applied is what became of it.
type applied struct {
	version  string
	conflict bool
}

// row is a record as the table has it.
type row struct {
	Value []byte `json:"value"`
	Index uint64 `json:"index"`
	Token string `json:"token"`
}

// A table is what the log makes: the same on all servers that have applied the same entries.
type table struct {
	cluster cluster
	notify  func()

	mu   sync.Mutex
	rows map[string]row
}

var _ hraft.FSM = (*table)(nil)

func newTable(c cluster, notify func()) *table {
	return &table{cluster: c, notify: notify, rows: map[string]row{}}
}

// version names the generation, so that what was read of a table that was lost changes nothing in the next.
func (t *table) version(index uint64) string {
	return strconv.FormatUint(t.cluster.Generation, 10) + "-" + strconv.FormatUint(index, 10)
}

// get a record and the index of its last change, which is 0 where it is not there.
func (t *table) get(key string) (store.Record, uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.rows[key]
	return store.Record{Key: key, Value: r.Value, Version: t.version(r.Index), Generation: t.cluster.Generation}, r.Index
}

// Apply an entry.
func (t *table) Apply(entry *hraft.Log) any {
	var c command
	if err := json.Unmarshal(entry.Data, &c); err != nil {
		return fmt.Errorf("entry %d of the log is not an elector's: %w", entry.Index, err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	was := t.rows[c.Key]
	if was.Token == c.Token && c.Token != "" {
		return applied{version: t.version(was.Index)}
	}
	if t.version(was.Index) != c.Version {
		return applied{conflict: true}
	}
	t.rows[c.Key] = row{Value: c.Value, Index: entry.Index, Token: c.Token}
	t.notify()
	return applied{version: t.version(entry.Index)}
}

// Snapshot of the table.
func (t *table) Snapshot() (hraft.FSMSnapshot, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return snapshot(maps.Clone(t.rows)), nil
}

// Restore the table from a snapshot.
func (t *table) Restore(from io.ReadCloser) error {
	defer from.Close()
	rows := map[string]row{}
	if err := json.NewDecoder(from).Decode(&rows); err != nil {
		return fmt.Errorf("the snapshot is not an elector's: %w", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rows = rows
	t.notify()
	return nil
}

type snapshot map[string]row

// Persist as raft wants it.
func (s snapshot) Persist(to hraft.SnapshotSink) error {
	if err := json.NewEncoder(to).Encode(s); err != nil {
		_ = to.Cancel() // the first error says more
		return err
	}
	return to.Close()
}

// Release as raft wants it.
func (snapshot) Release() {}
