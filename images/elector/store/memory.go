package store

import (
	"context"
	"strconv"
	"sync"
)

// Memory is a Store for tests.
type Memory struct {
	mu      sync.Mutex
	records map[string]Record
	version int
	changed chan struct{} // closed at the next change
}

// NewMemory is empty.
func NewMemory() *Memory {
	return &Memory{records: map[string]Record{}, changed: make(chan struct{})}
}

// Get a record.
func (m *Memory) Get(_ context.Context, key string) (Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.get(key), nil
}

func (m *Memory) get(key string) Record {
	r, there := m.records[key]
	if !there {
		return Record{Key: key}
	}
	return r
}

// Put a record.
func (m *Memory) Put(_ context.Context, key string, value []byte, version string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.get(key).Version != version {
		return "", ErrConflict
	}
	m.version++
	r := Record{Key: key, Value: value, Version: strconv.Itoa(m.version)}
	m.records[key] = r
	close(m.changed)
	m.changed = make(chan struct{})
	return r.Version, nil
}

// Watch records.
func (m *Memory) Watch(ctx context.Context, keys []string, tell func(Record)) {
	told := map[string]string{}
	for {
		m.mu.Lock()
		changed := m.changed
		var news []Record
		for _, key := range keys {
			if was, once := told[key]; !once || m.get(key).Version != was {
				r := m.get(key)
				told[key] = r.Version
				news = append(news, r)
			}
		}
		m.mu.Unlock()
		for _, r := range news {
			tell(r)
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}
