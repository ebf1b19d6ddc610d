// Package spool keeps batches on disk, in order, under their final names, while the sink is away.
//
// A batch that Put has accepted survives a crash, also when the file that it came from is gone.
package spool

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/batch"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/checkpoint"
)

// ErrFull says that the batch does not fit now: the limit is reached, or the disk.
var ErrFull = errors.New("spool is full")

// An Entry is a batch on disk.
type Entry struct {
	Identity   string
	Start, End int64
	Lines      int
	Size       int64 // on disk
	sequence   uint64
}

// A Spool is a bounded queue in a directory. It is safe for concurrent use.
type Spool struct {
	dir   string
	limit int64

	mu      sync.Mutex
	entries []Entry
	bytes   int64
	lines   int
	next    uint64
}

const (
	suffix  = ".batch"
	refused = ".refused"
	// keepRefused is the number of refused batches whose files are kept.
	keepRefused = 4
)

// Open reads what an earlier process left in the directory.
func Open(dir string, limit int64) (*Spool, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the spool: %w (spool.dir must be writable for the saver's user)", err)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read the spool: %w", err)
	}
	s := &Spool{dir: dir, limit: limit, next: 1}
	for _, file := range files {
		number, ok := strings.CutSuffix(file.Name(), suffix)
		if !ok {
			if strings.HasSuffix(file.Name(), suffix+".new") { // a write that a crash cut off
				_ = os.Remove(filepath.Join(dir, file.Name()))
			}
			continue
		}
		sequence, err := strconv.ParseUint(number, 10, 64)
		if err != nil {
			continue
		}
		entry, err := s.inspect(sequence)
		if err != nil {
			return nil, err
		}
		s.entries = append(s.entries, entry)
		s.bytes += entry.Size
		s.lines += entry.Lines
		s.next = max(s.next, sequence+1)
	}
	slices.SortFunc(s.entries, func(a, b Entry) int { return int(a.sequence) - int(b.sequence) })
	return s, nil
}

func (s *Spool) path(sequence uint64) string {
	return filepath.Join(s.dir, fmt.Sprintf("%016d%s", sequence, suffix))
}

// header is the first line of an entry's file; the records follow as they are.
type header struct {
	batch.Batch // without its records
	Size        int
}

func (s *Spool) inspect(sequence uint64) (Entry, error) {
	file, err := os.Open(s.path(sequence))
	if err != nil {
		return Entry{}, fmt.Errorf("read the spool: %w", err)
	}
	defer file.Close()
	head, _, err := readHeader(bufio.NewReader(file))
	if err != nil {
		return Entry{}, fmt.Errorf("read the spool: %s: %w (remove the file to go on without its lines)", file.Name(), err)
	}
	info, err := file.Stat()
	if err != nil {
		return Entry{}, fmt.Errorf("read the spool: %w", err)
	}
	return Entry{Identity: head.Identity, Start: head.Start, End: head.End, Lines: head.Lines, Size: info.Size(), sequence: sequence}, nil
}

func readHeader(reader *bufio.Reader) (head header, length int, err error) {
	line, err := reader.ReadBytes('\n')
	if err != nil {
		return head, 0, err
	}
	return head, len(line), json.Unmarshal(line, &head)
}

// Put appends the batch. When it returns nil, the batch is on disk. ErrFull if there is no room.
func (s *Spool) Put(b *batch.Batch) (Entry, error) {
	head := header{Batch: *b, Size: len(b.Records)}
	head.Records = nil
	line, err := json.Marshal(head)
	if err != nil {
		return Entry{}, fmt.Errorf("spool: %w", err)
	}
	line = append(line, '\n')
	size := int64(len(line) + len(b.Records))
	s.mu.Lock()
	if s.bytes+size > s.limit && len(s.entries) > 0 {
		s.mu.Unlock()
		return Entry{}, ErrFull
	}
	entry := Entry{Identity: b.Identity, Start: b.Start, End: b.End, Lines: b.Lines, Size: size, sequence: s.next}
	s.next++
	s.bytes += size
	s.mu.Unlock()

	if err := s.write(s.path(entry.sequence), line, b.Records); err != nil {
		s.mu.Lock()
		s.bytes -= size
		s.mu.Unlock()
		if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
			return Entry{}, fmt.Errorf("%w: %w", ErrFull, err)
		}
		return Entry{}, fmt.Errorf("spool: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines += entry.Lines
	s.entries = append(s.entries, entry)
	// Two writers may end in another order than they began.
	slices.SortFunc(s.entries, func(a, b Entry) int { return int(a.sequence) - int(b.sequence) })
	return entry, nil
}

// write makes the file durable before it has its name.
func (s *Spool) write(path string, parts ...[]byte) error {
	file, err := os.OpenFile(path+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	for _, part := range parts {
		if err == nil {
			_, err = file.Write(part)
		}
	}
	if err == nil {
		err = file.Sync()
	}
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		_ = os.Remove(path + ".new")
		return err
	}
	return checkpoint.SyncDir(s.dir)
}

// Oldest returns the entry that has waited longest.
func (s *Spool) Oldest() (Entry, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.entries) == 0 {
		return Entry{}, false
	}
	return s.entries[0], true
}

// Load reads an entry back; its records go into memory, which grows as needed.
func (s *Spool) Load(entry Entry, memory []byte) (*batch.Batch, error) {
	file, err := os.Open(s.path(entry.sequence))
	if err != nil {
		return nil, fmt.Errorf("read the spool: %w", err)
	}
	defer file.Close()
	head, length, err := readHeader(bufio.NewReaderSize(file, 4096))
	if err != nil {
		return nil, fmt.Errorf("read the spool: %s: %w", file.Name(), err)
	}
	b := head.Batch
	b.Records = slices.Grow(memory[:0], head.Size)[:head.Size]
	if _, err := file.ReadAt(b.Records, int64(length)); err != nil {
		return nil, fmt.Errorf("read the spool: %s: %w", file.Name(), err)
	}
	return &b, nil
}

// Remove takes an entry out, and reports whether it was there.
func (s *Spool) Remove(entry Entry) (bool, error) {
	s.mu.Lock()
	i := slices.IndexFunc(s.entries, func(e Entry) bool { return e.sequence == entry.sequence })
	if i < 0 {
		s.mu.Unlock()
		return false, nil
	}
	s.bytes -= s.entries[i].Size
	s.lines -= s.entries[i].Lines
	s.entries = slices.Delete(s.entries, i, i+1)
	s.mu.Unlock()
	// No fsync of the directory: an entry that comes back after a crash is only written again under its name.
	if err := os.Remove(s.path(entry.sequence)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return true, fmt.Errorf("spool: %w", err)
	}
	return true, nil
}

// SetAside takes an entry out that the sink will never take, and keeps its file for a person to look at, under the path
// that it returns. Only the last few are kept.
func (s *Spool) SetAside(entry Entry) (path string, err error) {
	path = strings.TrimSuffix(s.path(entry.sequence), suffix) + refused
	if err := os.Link(s.path(entry.sequence), path); err != nil && !errors.Is(err, os.ErrExist) {
		return "", fmt.Errorf("spool: %w", err)
	}
	if _, err := s.Remove(entry); err != nil {
		return "", err
	}
	aside, err := filepath.Glob(filepath.Join(s.dir, "*"+refused))
	if err != nil {
		return "", fmt.Errorf("spool: %w", err)
	}
	slices.Sort(aside) // the numbers have a fixed width
	for len(aside) > keepRefused {
		if err := os.Remove(aside[0]); err != nil {
			return "", fmt.Errorf("spool: %w", err)
		}
		aside = aside[1:]
	}
	return path, nil
}

// Entries are all that wait, oldest first.
func (s *Spool) Entries() []Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.entries)
}

// Size is what waits, and the limit.
func (s *Spool) Size() (batches, lines int, bytes, limit int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.entries), s.lines, s.bytes, s.limit
}
