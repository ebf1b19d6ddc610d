// Package conn is SQLite as the queue uses it: one connection, prepared statements, integers, texts and blobs.
//
// It calls the C interface of the driver (modernc.org/sqlite/lib) directly. By way of database/sql every bound value and
// every column is an interface and an allocation, which costs more than what SQLite does with them.
package conn

import (
	"errors"
	"fmt"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// transient tells SQLite to copy what is bound.
const transient = ^uintptr(0)

// A Conn is one connection. It is for one goroutine at a time.
type Conn struct {
	tls        *libc.TLS
	db         uintptr
	statements []*Stmt
	// scratch is memory outside Go's heap by which values are handed over.
	scratch     uintptr
	scratchSize int
}

// Open a database file, which is created where it is missing.
func Open(path string) (*Conn, error) {
	c := &Conn{tls: libc.NewTLS()}
	name, err := libc.CString(path)
	if err != nil {
		return nil, err
	}
	defer libc.Xfree(c.tls, name)
	at := c.room(int(unsafe.Sizeof(uintptr(0))))
	const flags = sqlite3.SQLITE_OPEN_READWRITE | sqlite3.SQLITE_OPEN_CREATE | sqlite3.SQLITE_OPEN_NOMUTEX
	rc := sqlite3.Xsqlite3_open_v2(c.tls, name, at, flags, 0)
	c.db = *(*uintptr)(pointer(at))
	if rc != sqlite3.SQLITE_OK {
		err := fmt.Errorf("open %s: %w", path, c.error(rc))
		return nil, errors.Join(err, c.Close())
	}
	sqlite3.Xsqlite3_extended_result_codes(c.tls, c.db, 1)
	return c, nil
}

// Close finalizes all statements as well.
func (c *Conn) Close() error {
	for _, s := range c.statements {
		sqlite3.Xsqlite3_finalize(c.tls, s.stmt)
	}
	c.statements = nil
	rc := sqlite3.Xsqlite3_close_v2(c.tls, c.db)
	if c.scratch != 0 {
		libc.Xfree(c.tls, c.scratch)
	}
	c.tls.Close()
	if rc != sqlite3.SQLITE_OK {
		return &Error{Code: int(rc), Message: "close failed"}
	}
	return nil
}

// Exec runs one statement without values to its end.
func (c *Conn) Exec(sql string) error {
	s, err := c.Prepare(sql)
	if err != nil {
		return err
	}
	defer s.finalize()
	return s.Exec()
}

// Prepare a statement. It lives until the connection is closed.
func (c *Conn) Prepare(sql string) (*Stmt, error) {
	text, err := libc.CString(sql)
	if err != nil {
		return nil, err
	}
	defer libc.Xfree(c.tls, text)
	at := c.room(int(unsafe.Sizeof(uintptr(0))))
	rc := sqlite3.Xsqlite3_prepare_v3(c.tls, c.db, text, -1, sqlite3.SQLITE_PREPARE_PERSISTENT, at, 0)
	if rc != sqlite3.SQLITE_OK {
		return nil, fmt.Errorf("prepare %q: %w", sql, c.error(rc))
	}
	s := &Stmt{c: c, stmt: *(*uintptr)(pointer(at))}
	c.statements = append(c.statements, s)
	return s, nil
}

// Changes is how many rows the last statement has changed.
func (c *Conn) Changes() int { return int(sqlite3.Xsqlite3_changes(c.tls, c.db)) }

// InTransaction says whether one is open: some errors end it by themselves.
func (c *Conn) InTransaction() bool { return sqlite3.Xsqlite3_get_autocommit(c.tls, c.db) == 0 }

// BusyTimeout in milliseconds is how long a lock of another connection is waited for.
func (c *Conn) BusyTimeout(milliseconds int) {
	sqlite3.Xsqlite3_busy_timeout(c.tls, c.db, int32(milliseconds))
}

// room for n bytes outside Go's heap, until the next call.
func (c *Conn) room(n int) uintptr {
	if n > c.scratchSize {
		if c.scratch != 0 {
			libc.Xfree(c.tls, c.scratch)
		}
		c.scratchSize = max(n, 4096)
		c.scratch = libc.Xmalloc(c.tls, libc.Tsize_t(c.scratchSize))
		if c.scratch == 0 {
			panic("out of memory")
		}
	}
	return c.scratch
}

func (c *Conn) error(rc int32) error {
	if rc == sqlite3.SQLITE_OK {
		return nil
	}
	e := &Error{Code: int(rc)}
	if c.db != 0 {
		e.Message = libc.GoString(sqlite3.Xsqlite3_errmsg(c.tls, c.db))
		e.Errno = int(sqlite3.Xsqlite3_system_errno(c.tls, c.db))
	}
	return e
}

// pointer to memory outside Go's heap. The detour keeps vet from taking it for a pointer into it.
func pointer(p uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&p)) }
