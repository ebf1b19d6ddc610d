package source

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/internal/settings"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/config"
)

func inbox(watch time.Duration) *config.Config {
	return pipeline(config.Input{Bucket: &config.BucketSource{URL: "s3://inbox", Prefix: "in/", Watch: settings.Duration(watch)}})
}

func TestABucketIsReadOnce(t *testing.T) {
	b := newS3(t)
	var want []string
	for i := range 2300 {
		want = append(want, fmt.Sprintf("%c/%04d.png", 'a'+i%3, i))
	}
	want = append(want, "a-b", "a.b", "b c/ü.png", "z")
	for _, name := range want {
		b.Put(t, b.bucket, "in/"+name, []byte(name))
	}
	b.Put(t, b.bucket, "other", []byte("not below the prefix"))
	slices.Sort(want)

	q := newQueue(t)
	r := q.server(inbox(0), b)
	require.NoError(t, q.look(r))
	assert.Equal(t, want, slices.Sorted(maps.Keys(q.items("a"))))
	st := q.status(r)
	assert.True(t, st.Read && st.Finite)
	assert.EqualValues(t, len(want), st.Items)

	item, err := q.Get(ctx, "a", "b c/ü.png")
	require.NoError(t, err)
	assert.Equal(t, "source:in/b c/ü.png", item.Payload.Ref)
	assert.EqualValues(t, len("b c/ü.png"), item.Payload.Size)
	b.Put(t, b.bucket, "in/new", nil)
	lists := b.lists
	require.NoError(t, q.look(q.server(inbox(0), b)))
	assert.Equal(t, lists, b.lists, "once is once")
}

func TestAWatchedBucketIsLookedAtCheaply(t *testing.T) {
	b := newS3(t)
	for i := range 1500 {
		b.Put(t, b.bucket, fmt.Sprintf("in/%04d", i), nil)
	}
	q := newQueue(t)
	require.NoError(t, q.look(q.server(inbox(time.Minute), b)))
	require.Equal(t, 1500, q.finish("a"))
	q.asks, q.marked = 0, 0
	r := q.server(inbox(time.Minute), b)
	require.NoError(t, q.look(r))
	assert.Zero(t, q.asks, "what was done and forgotten is not done again")
	assert.Zero(t, q.marked, "and nothing is written")

	b.Put(t, b.bucket, "in/0700-new", nil)
	b.Put(t, b.bucket, "in/0001", []byte("again"))
	b.remove("in/0002")
	require.NoError(t, q.look(r))
	assert.Equal(t, []string{"0700-new"}, slices.Collect(maps.Keys(q.items("a"))))
	assert.False(t, q.status(r).Finite)
	assert.EqualValues(t, 1500, q.status(r).Items)
}

func TestABucketIsReadToItsEndWhateverEnds(t *testing.T) {
	b := newS3(t)
	for i := range 3500 {
		b.Put(t, b.bucket, fmt.Sprintf("in/%04d", i), nil)
	}
	b.breaks = true
	q := newQueue(t)
	ends := 0
	for tries := 0; ; tries++ {
		require.Less(t, tries, 100)
		q.left = 20 // some thousand items, and the server is gone
		r := q.server(inbox(0), b)
		err := q.look(r)
		q.left = -1
		if err == nil {
			assert.True(t, q.status(r).Read)
			assert.EqualValues(t, 3500, q.status(r).Items)
			break
		}
		assert.False(t, q.status(r).Read)
		if errors.Is(err, errEnded) {
			ends++
		}
	}
	assert.Len(t, q.items("a"), 3500)
	assert.Greater(t, ends, 2)
	assert.Less(t, q.asks, 3500+ends*1100, "it goes on where it was, or a block before")
	t.Logf("%d ends, %d items enqueued, %d lists", ends, q.asks, b.lists)
}

func TestABucketThatIsAwayIsAnErrorOfTheStatus(t *testing.T) {
	b := newS3(t)
	b.Put(t, b.bucket, "in/a", nil)
	b.bucket = "no-such-bucket"
	q := newQueue(t)
	r := q.server(inbox(0), b)
	running, stop := context.WithCancel(ctx)
	pauses := make(chan time.Time)
	r.after = func(time.Duration) <-chan time.Time { return pauses }
	ended := make(chan struct{})
	go func() { r.Run(running); close(ended) }()
	for range listTries - 1 {
		pauses <- time.Now()
	}
	require.Eventually(t, func() bool { return strings.Contains(q.status(r).Error, "source.bucket s3://inbox: list the objects") }, 10*time.Second, 10*time.Millisecond)
	b.mu.Lock()
	b.bucket = "inbox"
	b.mu.Unlock()
	go func() {
		for {
			select {
			case pauses <- time.Now():
			case <-ended:
				return
			}
		}
	}()
	require.Eventually(t, func() bool { return q.status(r).Read }, 10*time.Second, 10*time.Millisecond)
	assert.Empty(t, q.status(r).Error)
	stop()
	<-ended
}
