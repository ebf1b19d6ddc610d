package logging

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/internal/identity"
)

func TestARecordNamesTheContainerAndIsKept(t *testing.T) {
	var out bytes.Buffer
	log := New(&out, identity.Identity{Pattern: "sidecar", Instance: "web", Container: "saver"}, slog.LevelInfo, 1<<10)
	log.With("file", "a.log").WithGroup("sink").Warn("slow", "seconds", 3)
	log.Debug("not now")
	var record map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &record))
	delete(record, "time")
	assert.Equal(t, map[string]any{
		"level": "WARN", "msg": "slow", "pattern": "sidecar", "instance": "web", "container": "saver",
		"file": "a.log", "sink": map[string]any{"seconds": 3.0},
	}, record)
	kept := log.Ring.Last(0, slog.LevelDebug)
	require.Len(t, kept, 1)
	assert.Equal(t, out.String(), string(kept[0].Line))

	log.Level.Set(slog.LevelDebug)
	log.Debug("now")
	assert.Len(t, log.Ring.Last(0, slog.LevelDebug), 2)
	assert.Len(t, log.Ring.Last(0, slog.LevelWarn), 1)
}

func record(level slog.Level, text string) Record {
	return Record{Level: level, Line: []byte(text + "\n")}
}

func lines(records []Record) (texts []string) {
	for _, r := range records {
		texts = append(texts, string(bytes.TrimSpace(r.Line)))
	}
	return texts
}

func TestTheRingIsBoundedInBytes(t *testing.T) {
	ring := NewRing(40)
	for i := range 1000 {
		ring.Add(record(slog.LevelInfo, fmt.Sprintf("line %04d", i))) // 10 bytes each
	}
	ring.Add(record(slog.LevelInfo, string(make([]byte, 100)))) // more than it can hold
	assert.Equal(t, []string{"line 0996", "line 0997", "line 0998", "line 0999"}, lines(ring.Last(0, slog.LevelInfo)))
	assert.Equal(t, []string{"line 0998", "line 0999"}, lines(ring.Last(2, slog.LevelInfo)))
	assert.LessOrEqual(t, cap(ring.records), 16, "what is forgotten is given back")
}

func TestFollowGivesThePastAndThenTheNew(t *testing.T) {
	ring := NewRing(1 << 10)
	ring.Add(record(slog.LevelInfo, "past"))
	ctx, cancel := context.WithCancel(context.Background())
	got := make(chan string, 10)
	ended := make(chan bool)
	go func() {
		ended <- ring.Follow(ctx, 10, slog.LevelInfo, func(r Record) error {
			got <- string(bytes.TrimSpace(r.Line))
			return nil
		}, func(uint64) error { return nil })
	}()
	assert.Equal(t, "past", <-got)
	ring.Add(record(slog.LevelDebug, "below the level"))
	ring.Add(record(slog.LevelInfo, "new"))
	assert.Equal(t, "new", <-got)
	cancel()
	assert.True(t, <-ended)
	assert.Empty(t, ring.followers)
}

func TestASlowFollowerIsToldWhatItMissedAndNobodyWaitsForIt(t *testing.T) {
	ring := NewRing(1 << 20)
	resume := make(chan struct{})
	var missed uint64
	ended := make(chan bool)
	following := make(chan struct{})
	ring.Add(record(slog.LevelInfo, "first"))
	go func() {
		seen := 0
		ended <- ring.Follow(context.Background(), 1, slog.LevelInfo, func(Record) error {
			if seen++; seen == 1 {
				close(following)
				<-resume
			}
			return nil
		}, func(n uint64) error {
			missed = n
			return errors.New("enough")
		})
	}()
	<-following
	for range followBacklog + 7 {
		ring.Add(record(slog.LevelInfo, "x"))
	}
	close(resume)
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		require.Fail(t, "the follower was not told")
	}
	assert.Equal(t, uint64(7), missed)
}

func TestThereIsABoundToFollowers(t *testing.T) {
	ring := NewRing(1 << 10)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	none := func(Record) error { return nil }
	for range maxFollowers {
		go ring.Follow(ctx, 0, slog.LevelInfo, none, func(uint64) error { return nil })
	}
	require.Eventually(t, func() bool {
		ring.mu.Lock()
		defer ring.mu.Unlock()
		return len(ring.followers) == maxFollowers
	}, 5*time.Second, time.Millisecond)
	assert.False(t, ring.Follow(ctx, 0, slog.LevelInfo, none, nil))
}
