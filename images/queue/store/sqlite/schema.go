package sqlite

import (
	"errors"
	"fmt"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store/sqlite/conn"
)

// version of the schema, in the file's user_version.
const version = 1

// States as integers. Those up to inFlight are live: they count for groups.
const (
	blocked = iota + 1
	delayed
	waiting
	inFlight
	done
	dead
	states = dead
)

var stateNames = [states + 1]api.State{"", api.Blocked, api.Delayed, api.Waiting, api.InFlight, api.Done, api.Dead}

func stateNumber(s api.State) int64 {
	for i, name := range stateNames {
		if name == s {
			return int64(i)
		}
	}
	return -1
}

// schema: what changes often (items) apart from what does not (payloads), so that a receive rewrites 100 bytes and not the
// content; stages as integers, with their counters; times in nanoseconds. Partial indexes keep an item out of those that its
// state has no use for.
var schema = []string{
	`CREATE TABLE stages (
		id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,
		blocked INTEGER NOT NULL DEFAULT 0, delayed INTEGER NOT NULL DEFAULT 0, waiting INTEGER NOT NULL DEFAULT 0,
		in_flight INTEGER NOT NULL DEFAULT 0, done INTEGER NOT NULL DEFAULT 0, dead INTEGER NOT NULL DEFAULT 0,
		done_total INTEGER NOT NULL DEFAULT 0, dead_total INTEGER NOT NULL DEFAULT 0)`,
	// Numbers: results, exported, and the next ID, which is reserved in blocks.
	`CREATE TABLE numbers (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID`,
	`CREATE TABLE items (
		id INTEGER PRIMARY KEY, stage INTEGER NOT NULL, state INTEGER NOT NULL, priority INTEGER NOT NULL,
		epoch INTEGER NOT NULL DEFAULT 0, lease INTEGER NOT NULL DEFAULT 0, attempt INTEGER NOT NULL DEFAULT 0,
		created INTEGER NOT NULL, changed INTEGER NOT NULL, due INTEGER,
		name TEXT NOT NULL, grp TEXT, input INTEGER, size INTEGER NOT NULL, ref TEXT,
		worker TEXT, worker_index INTEGER NOT NULL DEFAULT 0, failure TEXT)`,
	`CREATE UNIQUE INDEX items_name ON items (stage, name)`,
	`CREATE INDEX items_state ON items (stage, state, priority DESC)`,
	`CREATE INDEX items_changed ON items (stage, state, changed) WHERE state IN (3, 5)`,
	`CREATE INDEX items_due ON items (due) WHERE state IN (2, 4)`,
	`CREATE INDEX items_group ON items (stage, grp, state) WHERE grp IS NOT NULL AND state <= 4`,
	`CREATE INDEX items_input ON items (input) WHERE input IS NOT NULL`,
	`CREATE INDEX items_ref ON items (ref) WHERE ref IS NOT NULL`,
	`CREATE TABLE payloads (id INTEGER PRIMARY KEY, data BLOB NOT NULL)`,
	`CREATE TABLE results (
		id INTEGER PRIMARY KEY, name TEXT NOT NULL, created INTEGER NOT NULL, exported INTEGER NOT NULL DEFAULT 0,
		stage INTEGER NOT NULL, item TEXT NOT NULL, input INTEGER NOT NULL, size INTEGER NOT NULL, ref TEXT)`,
	`CREATE UNIQUE INDEX results_name ON results (name)`,
	`CREATE INDEX results_unexported ON results (id) WHERE exported = 0`,
	`CREATE INDEX results_input ON results (input)`,
	`CREATE INDEX results_ref ON results (ref) WHERE ref IS NOT NULL`,
	`CREATE TABLE deduplication (
		stage INTEGER NOT NULL, id TEXT NOT NULL, at INTEGER NOT NULL, item INTEGER NOT NULL,
		PRIMARY KEY (stage, id)) WITHOUT ROWID`,
	`CREATE INDEX deduplication_at ON deduplication (at)`,
	`CREATE TABLE marks (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID`,
	`CREATE TABLE holds (role TEXT PRIMARY KEY, holder TEXT NOT NULL, until INTEGER NOT NULL) WITHOUT ROWID`,
}

// synchronous is what commits wait for. FULL: the log is on the disk before a commit is answered.
func synchronous() string {
	if sabotage == "nofsync" {
		return "PRAGMA synchronous = OFF"
	}
	return "PRAGMA synchronous = FULL"
}

// pragmas of every connection. The cache is bounded (in KiB, negative) and the file not mapped, so that memory does not
// grow with the items: the kernel's page cache is shared and can be taken back.
func pragmas(cacheKiB int) []string {
	return []string{
		"PRAGMA foreign_keys = OFF",
		fmt.Sprintf("PRAGMA cache_size = -%d", cacheKiB),
		"PRAGMA mmap_size = 0",
		"PRAGMA temp_store = MEMORY",
		"PRAGMA journal_size_limit = 67108864", // a log that a long read made large is cut again
		synchronous(),
	}
}

// prepare a file as a queue, or see that it is one.
func prepare(c *conn.Conn) error {
	for _, pragma := range append([]string{"PRAGMA journal_mode = WAL"}, pragmas(writerCacheKiB)...) {
		if err := c.Exec(pragma); err != nil {
			return err
		}
	}
	have, err := number(c, "PRAGMA user_version")
	if err != nil {
		return err
	}
	switch have {
	case version:
		return nil
	case 0:
	default:
		return fmt.Errorf("its schema has version %d, this server knows version %d: run the newer server", have, version)
	}
	if err := c.Exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	for _, statement := range append(schema, fmt.Sprintf("PRAGMA user_version = %d", version)) {
		if err := c.Exec(statement); err != nil {
			return errors.Join(err, c.Exec("ROLLBACK"))
		}
	}
	return c.Exec("COMMIT")
}

// number is the one integer that a statement yields.
func number(c *conn.Conn, sql string) (n int64, err error) {
	s, err := c.Prepare(sql)
	if err != nil {
		return 0, err
	}
	_, err = s.Row(func() { n = s.ColumnInt(0) })
	return n, err
}
