package logging

import (
	"context"
	"log/slog"
	"sync"
)

// A Record is one line of the log as it was written, with its line feed.
type Record struct {
	Level slog.Level
	Line  []byte
}

// maxFollowers bounds what following costs.
const maxFollowers = 16

// followBacklog is how many records a slow follower may fall behind before it misses some.
const followBacklog = 256

// A Ring remembers the last records, as many as fit its bytes.
type Ring struct {
	mu        sync.Mutex
	limit     int
	bytes     int
	records   []Record
	followers map[chan Record]*uint64
}

// NewRing makes a ring that holds at most limit bytes of lines.
func NewRing(limit int) *Ring {
	return &Ring{limit: limit, followers: map[chan Record]*uint64{}}
}

// Add takes one record; the oldest go.
func (r *Ring) Add(record Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for follower, missed := range r.followers {
		select {
		case follower <- record:
		default:
			*missed++ // the log never waits for a reader
		}
	}
	if len(record.Line) > r.limit {
		return
	}
	r.records = append(r.records, record)
	r.bytes += len(record.Line)
	drop := 0
	for r.bytes > r.limit {
		r.bytes -= len(r.records[drop].Line)
		drop++
	}
	if drop > 0 {
		kept := copy(r.records, r.records[drop:])
		clear(r.records[kept:])
		r.records = r.records[:kept]
	}
}

// Last gives the newest records of at least a level, oldest first; n <= 0 gives all there are.
func (r *Ring) Last(n int, level slog.Level) []Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last(n, level)
}

func (r *Ring) last(n int, level slog.Level) []Record {
	var found []Record
	for i := len(r.records) - 1; i >= 0 && (n <= 0 || len(found) < n); i-- {
		if r.records[i].Level >= level {
			found = append(found, r.records[i])
		}
	}
	for i, j := 0, len(found)-1; i < j; i, j = i+1, j-1 {
		found[i], found[j] = found[j], found[i]
	}
	return found
}

// Follow gives the last n records to emit, and then each new one, until ctx ends or emit fails. Nothing falls between the two. It returns false at once if there are too many followers already. What a slow follower misses is told to missed.
func (r *Ring) Follow(ctx context.Context, n int, level slog.Level, emit func(Record) error, missed func(uint64) error) bool {
	records := make(chan Record, followBacklog)
	var lost uint64
	r.mu.Lock()
	if len(r.followers) >= maxFollowers {
		r.mu.Unlock()
		return false
	}
	r.followers[records] = &lost
	backlog := r.last(n, level)
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		delete(r.followers, records)
		r.mu.Unlock()
	}()
	for _, record := range backlog {
		if emit(record) != nil {
			return true
		}
	}
	for {
		select {
		case <-ctx.Done():
			return true
		case record := <-records:
			r.mu.Lock()
			gap := lost
			lost = 0
			r.mu.Unlock()
			if gap > 0 && missed(gap) != nil {
				return true
			}
			if record.Level >= level && emit(record) != nil {
				return true
			}
		}
	}
}
