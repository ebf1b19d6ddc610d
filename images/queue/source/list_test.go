package source

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/config"
)

func numbered(n int) map[string]string {
	out := map[string]string{}
	for i := range n {
		out[fmt.Sprintf("item-%04d", i)] = fmt.Sprint("content of ", i)
	}
	return out
}

func TestAListIsWorkedOnOnce(t *testing.T) {
	q := newQueue(t)
	list := numbered(250)
	c := pipeline(config.Input{List: list})
	r := q.server(c)
	assert.Equal(t, api.SourceStatus{Finite: true}, q.status(r))
	require.NoError(t, q.look(r))
	assert.Equal(t, api.SourceStatus{Finite: true, Read: true, Items: 250}, q.status(r))
	assert.Equal(t, slices.Sorted(maps.Keys(list)), slices.Sorted(maps.Keys(q.items("a"))))
	item, err := q.Get(ctx, "a", "item-0007")
	require.NoError(t, err)
	assert.Equal(t, "content of 7", string(item.Payload.Data))
	assert.Equal(t, api.DefaultPriority, item.Priority)

	require.Equal(t, 250, q.finish("a"))
	r = q.server(c)
	require.NoError(t, q.look(r))
	assert.Empty(t, q.items("a"), "what was done and forgotten is not done again")

	list = numbered(252)
	r = q.server(pipeline(config.Input{List: list}))
	assert.False(t, q.status(r).Read, "a list with more names is not read yet")
	require.NoError(t, q.look(r))
	assert.Len(t, q.items("a"), 2, "the new names are")
	assert.Equal(t, api.SourceStatus{Finite: true, Read: true, Items: 252}, q.status(r))
}

func TestAStageThatIsAddedIsGivenEverything(t *testing.T) {
	q := newQueue(t)
	in := config.Input{List: numbered(3)}
	require.NoError(t, q.look(q.server(pipeline(in))))
	q.finish("a")
	r := q.server(pipeline(in, nil, []string{"a", config.Source}))
	assert.False(t, q.status(r).Read)
	require.NoError(t, q.look(r))
	assert.Empty(t, q.items("a"), "and the others nothing twice")
	assert.Equal(t, []string{"source/item-0000", "source/item-0001", "source/item-0002"}, slices.Sorted(maps.Keys(q.items("b"))))
	assert.Equal(t, api.SourceStatus{Finite: true, Read: true, Items: 3}, q.status(r))
}

func TestAServerMayEndAnywhere(t *testing.T) {
	for end := range 12 {
		q := newQueue(t)
		c := pipeline(config.Input{List: numbered(1500)})
		q.left = end
		_ = q.look(q.server(c))
		q.left = -1
		r := q.server(c)
		require.NoError(t, q.look(r))
		assert.Len(t, q.items("a"), 1500)
		assert.True(t, q.status(r).Read)
		asked := q.asks
		require.NoError(t, q.look(q.server(c)))
		assert.Equal(t, asked, q.asks)
	}
}

func TestNamesThatNoItemCanHaveAreLeftOut(t *testing.T) {
	q := newQueue(t)
	r := q.server(pipeline(config.Input{List: map[string]string{"good": "", "../etc/passwd": "", "a//b": "", "nul\x00": ""}}))
	require.NoError(t, q.look(r))
	assert.Equal(t, []string{"good"}, slices.Collect(maps.Keys(q.items("a"))))
	s := q.status(r)
	assert.True(t, s.Read, "the others are read")
	assert.Contains(t, s.Error, `source.list: 3 of its names cannot be those of items and were left out, the first: the name "../etc/passwd"`)
}

func TestConfigurationsChangeWhileItRuns(t *testing.T) {
	q := newQueue(t)
	r := q.server(pipeline(config.Input{}))
	assert.Equal(t, api.SourceStatus{}, q.status(r), "no source is no finite one")
	running, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() { r.Run(running); close(ended) }()
	for n := range 3 {
		r.Apply(pipeline(config.Input{List: numbered(10 * (n + 1))}))
		require.Eventually(t, func() bool { return q.status(r).Read }, 10*time.Second, 10*time.Millisecond)
		assert.Len(t, q.items("a"), 10*(n+1))
	}
	stop()
	<-ended
}

func TestAStoreThatIsFullIsWaitedFor(t *testing.T) {
	q := newQueue(t)
	r := q.server(pipeline(config.Input{List: numbered(10)}))
	pauses := make(chan time.Time)
	r.after = func(time.Duration) <-chan time.Time { return pauses }
	q.mu.Lock()
	q.left = 0
	q.mu.Unlock()
	running, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() { r.Run(running); close(ended) }()
	for range 3 {
		pauses <- time.Now()
	}
	q.mu.Lock()
	q.left = -1
	q.mu.Unlock()
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
	assert.Len(t, q.items("a"), 10)
	stop()
	<-ended
}
