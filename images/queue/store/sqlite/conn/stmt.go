package conn

import (
	"slices"
	"unsafe"

	sqlite3 "modernc.org/sqlite/lib"
)

// A Stmt is a prepared statement. Bind values in their order, then Exec, or Step until it is false and Reset.
type Stmt struct {
	c    *Conn
	stmt uintptr
	next int32
	err  error
}

// Int binds the next value.
func (s *Stmt) Int(v int64) *Stmt {
	s.next++
	s.check(sqlite3.Xsqlite3_bind_int64(s.c.tls, s.stmt, s.next, v))
	return s
}

// IntOrNull binds the next value, null for 0.
func (s *Stmt) IntOrNull(v int64) *Stmt {
	if v == 0 {
		return s.null()
	}
	return s.Int(v)
}

// Text binds the next value.
func (s *Stmt) Text(v string) *Stmt {
	s.next++
	at := s.c.room(len(v) + 1)
	copy(unsafe.Slice((*byte)(pointer(at)), len(v)), v)
	s.check(sqlite3.Xsqlite3_bind_text(s.c.tls, s.stmt, s.next, at, int32(len(v)), transient))
	return s
}

// TextOrNull binds the next value, null for "".
func (s *Stmt) TextOrNull(v string) *Stmt {
	if v == "" {
		return s.null()
	}
	return s.Text(v)
}

// Blob binds the next value.
func (s *Stmt) Blob(v []byte) *Stmt {
	s.next++
	at := s.c.room(len(v) + 1)
	copy(unsafe.Slice((*byte)(pointer(at)), len(v)), v)
	s.check(sqlite3.Xsqlite3_bind_blob(s.c.tls, s.stmt, s.next, at, int32(len(v)), transient))
	return s
}

func (s *Stmt) null() *Stmt {
	s.next++
	s.check(sqlite3.Xsqlite3_bind_null(s.c.tls, s.stmt, s.next))
	return s
}

func (s *Stmt) check(rc int32) {
	if rc != sqlite3.SQLITE_OK && s.err == nil {
		s.err = s.c.error(rc)
	}
}

// Exec runs to the end and resets.
func (s *Stmt) Exec() error {
	_, err := s.Step()
	if rerr := s.Reset(); err == nil {
		err = rerr
	}
	return err
}

// Step says whether there is a row to read.
func (s *Stmt) Step() (bool, error) {
	if s.err != nil {
		return false, s.err
	}
	switch rc := sqlite3.Xsqlite3_step(s.c.tls, s.stmt); rc {
	case sqlite3.SQLITE_ROW:
		return true, nil
	case sqlite3.SQLITE_DONE:
		return false, nil
	default:
		return false, s.c.error(rc)
	}
}

// Reset makes it ready for other values.
func (s *Stmt) Reset() error {
	s.next = 0
	err := s.err
	s.err = nil
	// The result is that of the last Step, which has been told.
	sqlite3.Xsqlite3_reset(s.c.tls, s.stmt)
	return err
}

// Rows calls f for each row, and resets.
func (s *Stmt) Rows(f func() error) error {
	for {
		row, err := s.Step()
		if err == nil && row {
			err = f()
		}
		if err != nil || !row {
			if rerr := s.Reset(); err == nil {
				err = rerr
			}
			return err
		}
	}
}

// Row calls f for the first row and says whether there was one; it resets.
func (s *Stmt) Row(f func()) (bool, error) {
	row, err := s.Step()
	if err == nil && row {
		f()
	}
	if rerr := s.Reset(); err == nil {
		err = rerr
	}
	return row, err
}

// IsNull says whether column i, from 0, is null.
func (s *Stmt) IsNull(i int) bool {
	return sqlite3.Xsqlite3_column_type(s.c.tls, s.stmt, int32(i)) == sqlite3.SQLITE_NULL
}

// ColumnInt reads column i, from 0; 0 for null.
func (s *Stmt) ColumnInt(i int) int64 {
	return sqlite3.Xsqlite3_column_int64(s.c.tls, s.stmt, int32(i))
}

// ColumnText reads column i, from 0; "" for null.
func (s *Stmt) ColumnText(i int) string {
	at := sqlite3.Xsqlite3_column_text(s.c.tls, s.stmt, int32(i))
	if at == 0 {
		return ""
	}
	n := sqlite3.Xsqlite3_column_bytes(s.c.tls, s.stmt, int32(i))
	return string(unsafe.Slice((*byte)(pointer(at)), n))
}

// ColumnBlob reads column i, from 0; nil for null and for an empty one.
func (s *Stmt) ColumnBlob(i int) []byte {
	at := sqlite3.Xsqlite3_column_blob(s.c.tls, s.stmt, int32(i))
	if at == 0 {
		return nil
	}
	n := sqlite3.Xsqlite3_column_bytes(s.c.tls, s.stmt, int32(i))
	return append([]byte(nil), unsafe.Slice((*byte)(pointer(at)), n)...)
}

func (s *Stmt) finalize() {
	sqlite3.Xsqlite3_finalize(s.c.tls, s.stmt)
	s.c.statements = slices.DeleteFunc(s.c.statements, func(o *Stmt) bool { return o == s })
}
