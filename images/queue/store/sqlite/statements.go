package sqlite

import (
	"reflect"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/store/sqlite/conn"
)

// statements of the writer, each prepared once.
type statements struct {
	begin    *conn.Stmt `sql:"BEGIN IMMEDIATE"`
	commit   *conn.Stmt `sql:"COMMIT"`
	rollback *conn.Stmt `sql:"ROLLBACK"`

	insertStage *conn.Stmt `sql:"INSERT INTO stages (id, name) VALUES (?, ?)"`
	saveStage   *conn.Stmt `sql:"UPDATE stages SET blocked = ?, delayed = ?, waiting = ?, in_flight = ?, done = ?, dead = ?, done_total = ?, dead_total = ? WHERE id = ?"`
	saveNumber  *conn.Stmt `sql:"INSERT INTO numbers (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"`

	insertItem    *conn.Stmt `sql:"INSERT INTO items (id, stage, state, priority, created, changed, due, name, grp, input, size, ref) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (stage, name) DO NOTHING"`
	insertPayload *conn.Stmt `sql:"INSERT INTO payloads (id, data) VALUES (?, ?)"`
	insertResult  *conn.Stmt `sql:"INSERT INTO results (id, name, created, stage, item, input, size, ref) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"`
	itemByName    *conn.Stmt `sql:"SELECT id FROM items WHERE stage = ? AND name = ?"`
	resultByName  *conn.Stmt `sql:"SELECT id FROM results WHERE name = ?"`

	deduplicated     *conn.Stmt `sql:"SELECT item FROM deduplication WHERE stage = ? AND id = ? AND at > ?"`
	deduplicate      *conn.Stmt `sql:"INSERT INTO deduplication (stage, id, at, item) VALUES (?, ?, ?, ?) ON CONFLICT (stage, id) DO UPDATE SET at = excluded.at, item = excluded.item"`
	deduplicationOld *conn.Stmt `sql:"DELETE FROM deduplication WHERE (stage, id) IN (SELECT stage, id FROM deduplication WHERE at <= ? ORDER BY at LIMIT ?)"`

	groupLive *conn.Stmt `sql:"SELECT 1 FROM items INDEXED BY items_group WHERE stage = ? AND grp = ? AND grp IS NOT NULL AND state <= 4 LIMIT 1"`
	groupNext *conn.Stmt `sql:"SELECT id, due FROM items INDEXED BY items_group WHERE stage = ? AND grp = ? AND state = 1 AND grp IS NOT NULL AND state <= 4 ORDER BY id LIMIT 1"`

	nextWaiting *conn.Stmt `sql:"SELECT id, name, state, priority, epoch, attempt, created, grp, input, size, ref, failure, (SELECT data FROM payloads WHERE payloads.id = items.id) FROM items INDEXED BY items_state WHERE stage = ? AND state = 3 ORDER BY priority DESC, id LIMIT ?"`
	receive     *conn.Stmt `sql:"UPDATE items SET state = 4, epoch = epoch + 1, lease = epoch + 1, attempt = attempt + 1, changed = ?, due = ?, worker = ?, worker_index = ? WHERE id = ?"`

	leased   *conn.Stmt `sql:"SELECT stage, state, lease, attempt, due, grp, name FROM items WHERE id = ?"`
	due      *conn.Stmt `sql:"UPDATE items SET due = ? WHERE id = ?"`
	revive   *conn.Stmt `sql:"UPDATE items SET state = 4, changed = ?, due = ? WHERE id = ?"`
	done     *conn.Stmt `sql:"UPDATE items SET state = 5, lease = 0, changed = ?, due = NULL, failure = NULL WHERE id = ?"`
	giveBack *conn.Stmt `sql:"UPDATE items SET state = ?, lease = 0, attempt = ?, changed = ?, due = ?, failure = ifnull(?, failure) WHERE id = ?"`
	// expire keeps the lease: nobody else has the item yet.
	expire *conn.Stmt `sql:"UPDATE items SET state = ?, lease = CASE WHEN ?1 = 6 THEN 0 ELSE lease END, changed = ?, due = ?, failure = ? WHERE id = ?"`
	ready  *conn.Stmt `sql:"UPDATE items SET state = ?, changed = ?, due = ? WHERE id = ?"`

	dueItems *conn.Stmt `sql:"SELECT id, stage, state, attempt, grp, worker FROM items INDEXED BY items_due WHERE due <= ? AND state IN (2, 4) ORDER BY due LIMIT ?"`
	nextDue  *conn.Stmt `sql:"SELECT due FROM items INDEXED BY items_due WHERE state IN (2, 4) ORDER BY due LIMIT 1"`

	redrive *conn.Stmt `sql:"UPDATE items SET state = ?, lease = 0, attempt = 0, changed = ?, due = NULL WHERE id = ?"`

	named        *conn.Stmt `sql:"SELECT id, state, grp FROM items WHERE stage = ? AND name = ?"`
	ofState      *conn.Stmt `sql:"SELECT id, state, grp FROM items INDEXED BY items_state WHERE stage = ? AND state = ? ORDER BY priority DESC, id LIMIT ?"`
	doneBefore   *conn.Stmt `sql:"SELECT id FROM items INDEXED BY items_changed WHERE stage = ? AND state = 5 AND state IN (3, 5) AND changed < ? ORDER BY changed LIMIT ?"`
	deleteItem   *conn.Stmt `sql:"DELETE FROM items WHERE id = ?"`
	deleteInline *conn.Stmt `sql:"DELETE FROM payloads WHERE id = ?"`

	export  *conn.Stmt `sql:"UPDATE results SET exported = 1 WHERE id = ? AND exported = 0"`
	setMark *conn.Stmt `sql:"INSERT INTO marks (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"`
	hold    *conn.Stmt `sql:"INSERT INTO holds (role, holder, until) VALUES (?1, ?2, ?3) ON CONFLICT (role) DO UPDATE SET holder = ?2, until = ?3 WHERE holder = ?2 OR until <= ?4"`
	unhold  *conn.Stmt `sql:"DELETE FROM holds WHERE role = ? AND holder = ?"`
}

func prepareStatements(c *conn.Conn) (*statements, error) {
	s := &statements{}
	return s, prepareAll(c, s)
}

// prepareAll fields of a struct, by their tags.
func prepareAll(c *conn.Conn, into any) error {
	v := reflect.ValueOf(into).Elem()
	for i := range v.NumField() {
		sql, ok := v.Type().Field(i).Tag.Lookup("sql")
		if !ok {
			continue
		}
		statement, err := c.Prepare(sql)
		if err != nil {
			return err
		}
		*(**conn.Stmt)(v.Field(i).Addr().UnsafePointer()) = statement
	}
	return nil
}
