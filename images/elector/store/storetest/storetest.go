// Package storetest is what every Store must do.
package storetest

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/store"
)

const within = 30 * time.Second

// Run the suite. Each key is one of a record that nobody has written yet; electors that share a table are given by client.
func Run(t *testing.T, client func(t *testing.T) store.Store, keys [4]string) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()

	t.Run("a record is changed only by who knows its version", func(t *testing.T) {
		s, other := client(t), client(t)
		none, err := s.Get(ctx, keys[0])
		require.NoError(t, err)
		assert.Nil(t, none.Value)
		first, err := s.Put(ctx, keys[0], []byte(`{"a":"1"}`), none.Version)
		require.NoError(t, err)
		_, err = other.Put(ctx, keys[0], []byte(`{"a":"2"}`), none.Version)
		require.ErrorIs(t, err, store.ErrConflict)
		r, err := other.Get(ctx, keys[0])
		require.NoError(t, err)
		assert.GreaterOrEqual(t, r.Generation, none.Generation)
		assert.Equal(t, store.Record{Key: keys[0], Value: []byte(`{"a":"1"}`), Version: first, Generation: r.Generation}, r)
		second, err := other.Put(ctx, keys[0], []byte(`{"a":"ä\n\"'%"}`), r.Version)
		require.NoError(t, err)
		assert.NotEqual(t, first, second)
		_, err = s.Put(ctx, keys[0], []byte(`{}`), first)
		require.ErrorIs(t, err, store.ErrConflict)
		r, err = s.Get(ctx, keys[0])
		require.NoError(t, err)
		assert.Equal(t, `{"a":"ä\n\"'%"}`, string(r.Value)) //nolint:testifylint // it is a text to the store
	})

	t.Run("of many that put at once, one at a time succeeds", func(t *testing.T) {
		const writers, each = 4, 5
		var group sync.WaitGroup
		for range writers {
			s := client(t)
			group.Go(func() {
				for done := 0; done < each; {
					r, err := s.Get(ctx, keys[1])
					if !assert.NoError(t, err) {
						return
					}
					n, _ := strconv.Atoi(string(r.Value))
					_, err = s.Put(ctx, keys[1], []byte(strconv.Itoa(n+1)), r.Version)
					switch {
					case err == nil:
						done++
					case !assert.ErrorIs(t, err, store.ErrConflict):
						return
					}
				}
			})
		}
		group.Wait()
		r, err := client(t).Get(ctx, keys[1])
		require.NoError(t, err)
		assert.Equal(t, strconv.Itoa(writers*each), string(r.Value))
	})

	t.Run("a watch tells what is, and what becomes of it", func(t *testing.T) {
		s, other := client(t), client(t)
		var mu sync.Mutex
		told := map[string]string{}
		last := 0
		watching, stop := context.WithCancel(ctx)
		var group sync.WaitGroup
		group.Go(func() {
			s.Watch(watching, keys[2:], func(r store.Record) {
				mu.Lock()
				defer mu.Unlock()
				told[r.Key] = string(r.Value)
				if r.Key == keys[2] && r.Value != nil {
					n, _ := strconv.Atoi(string(r.Value))
					assert.GreaterOrEqual(t, n, last, "it never goes back")
					last = n
				}
			})
		})
		says := func(key, value string) {
			t.Helper()
			require.Eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); v, there := told[key]; return there && v == value }, within, time.Millisecond, "%s is %q", key, value)
		}
		says(keys[2], "")
		says(keys[3], "")
		r, err := other.Get(ctx, keys[2])
		require.NoError(t, err)
		version := r.Version
		for n := range 20 {
			version, err = other.Put(ctx, keys[2], []byte(strconv.Itoa(n)), version)
			require.NoError(t, err)
		}
		begun := time.Now()
		says(keys[2], "19")
		t.Log("told after ", time.Since(begun))
		r, err = other.Get(ctx, keys[3])
		require.NoError(t, err)
		_, err = other.Put(ctx, keys[3], []byte(`"x"`), r.Version)
		require.NoError(t, err)
		says(keys[3], `"x"`)
		stop()
		group.Wait()
	})

	t.Run("an error says what was asked of whom", func(t *testing.T) {
		s := client(t)
		gone, cancel := context.WithCancel(ctx)
		cancel()
		_, err := s.Get(gone, keys[0])
		if err != nil { // a store in memory needs no time
			assert.Contains(t, err.Error(), keys[0], fmt.Sprint(err))
		}
	})
}
