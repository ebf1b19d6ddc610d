package sqlite

import (
	"os"

	"golang.org/x/sys/unix"
)

// reopen the database after an error of the disk. Once fsync has failed, the kernel may hold pages that it takes for
// written and that are not on the disk; another fsync would then succeed (see Rebello et al., "Can Applications Recover
// from fsync Failures?", USENIX ATC 2020). So all connections are closed, the cache of both files is dropped, the log is
// recovered from what the disk has, and all of it is written to the database and synced before anything is answered.
func (w *writer) reopen() error {
	held := make([]*reader, 0, readers)
	defer func() {
		for _, r := range held {
			w.s.readers <- r
		}
	}()
	for range readers {
		r := <-w.s.readers
		_ = r.close() // what it says of a broken disk is known
		held = append(held, r)
	}
	if w.c != nil {
		_ = w.c.Close()
		w.c = nil
	}
	for _, suffix := range []string{"", "-wal"} {
		if err := dropCache(w.s.path + suffix); err != nil {
			return err
		}
	}
	if err := w.open(); err != nil {
		return err
	}
	if _, err := number(w.c, "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		return err
	}
	w.suspect = false
	return nil
}

func dropCache(path string) error {
	file, err := os.Open(path)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	return unix.Fadvise(int(file.Fd()), 0, 0, unix.FADV_DONTNEED)
}
