package conn

import (
	"fmt"
	"syscall"

	sqlite3 "modernc.org/sqlite/lib"
)

// Error of SQLite.
type Error struct {
	// Code is the extended result code.
	Code    int
	Message string
	// Errno of the system call that failed, 0 if none did.
	Errno int
}

func (e *Error) Error() string {
	if e.Errno != 0 {
		return fmt.Sprintf("SQLite: %s (code %d): %v", e.Message, e.Code, syscall.Errno(e.Errno))
	}
	return fmt.Sprintf("SQLite: %s (code %d)", e.Message, e.Code)
}

// Full says that the disk, a quota or the database's largest size is reached, which SQLite noticed while it wrote. A sync
// that fails for want of room is not meant: what it has left on the disk is not known.
func (e *Error) Full() bool {
	if e.Code == sqlite3.SQLITE_IOERR_FSYNC || e.Code == sqlite3.SQLITE_IOERR_DIR_FSYNC {
		return false
	}
	if e.Code&0xff == sqlite3.SQLITE_FULL {
		return true
	}
	noSpace := e.Errno == int(syscall.ENOSPC) || e.Errno == int(syscall.EDQUOT) || e.Errno == int(syscall.EFBIG)
	return e.Code&0xff == sqlite3.SQLITE_IOERR && noSpace
}

// Corrupt says that the file is damaged or no database.
func (e *Error) Corrupt() bool {
	return e.Code&0xff == sqlite3.SQLITE_CORRUPT || e.Code&0xff == sqlite3.SQLITE_NOTADB
}

// Unwrap to the error of the operating system.
func (e *Error) Unwrap() error {
	if e.Errno == 0 {
		return nil
	}
	return syscall.Errno(e.Errno)
}
