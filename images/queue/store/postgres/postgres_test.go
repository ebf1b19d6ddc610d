package postgres

import (
	"context"
	"fmt"
	"maps"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store/storetest"
)

var schemas atomic.Int64

func TestSuite(t *testing.T) {
	storetest.Suite(t, func(t testing.TB, o store.Options) storetest.Instance {
		schema := fmt.Sprintf("queue_%d_%d", os.Getpid(), schemas.Add(1))
		open := func() store.Store {
			s, err := Open(t.Context(), database, schema, o)
			require.NoError(t, err)
			return s
		}
		return storetest.Instance{Store: open(), Another: open}
	})
}

func opened(t testing.TB, url string) *Store {
	t.Helper()
	s, err := Open(t.Context(), url, fmt.Sprintf("queue_%d_%d", os.Getpid(), schemas.Add(1)), store.Options{
		Now: time.Now, DeduplicationWindow: func() time.Duration { return time.Minute },
	})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	return s
}

func TestCommitsAreSynchronousWhateverTheRoleSays(t *testing.T) {
	for _, weak := range []string{"off", "local"} {
		t.Run(weak, func(t *testing.T) {
			role := "weak_" + weak
			s := opened(t, database)
			_, err := s.pool.Exec(t.Context(), "CREATE ROLE "+role+" SUPERUSER LOGIN")
			require.NoError(t, err)
			_, err = s.pool.Exec(t.Context(), "ALTER ROLE "+role+" SET synchronous_commit = "+weak)
			require.NoError(t, err)
			s = opened(t, strings.Replace(database, "postgres@", role+"@", 1))
			var user, got string
			require.NoError(t, s.pool.QueryRow(t.Context(), "SELECT current_user, current_setting('synchronous_commit')").Scan(&user, &got))
			assert.Equal(t, []string{role, "on"}, []string{user, got})
		})
	}
}

func TestConnectionsThatAreLostAreMadeAgain(t *testing.T) {
	s := opened(t, database)
	killer := opened(t, database)
	push := func(name string) error {
		_, err := s.Enqueue(t.Context(), []store.NewItem{{Stage: "resize", Name: name}})
		return err
	}
	require.NoError(t, push("before"))
	_, err := killer.pool.Exec(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()")
	require.NoError(t, err)
	require.NoError(t, push("after"), "no commit was under way: the call is done again")
	items, err := s.List(t.Context(), store.Query{Stage: "resize", Limit: 10})
	require.NoError(t, err)
	assert.Len(t, items, 2)
}

func TestADatabaseThatIsNotThereIsWaitedFor(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	_, err := Open(ctx, "postgres://user:sesame@127.0.0.1:1/queue", "", store.Options{Now: time.Now})
	require.ErrorIs(t, err, store.ErrUnavailable)
	assert.ErrorContains(t, err, "127.0.0.1")
	assert.NotContains(t, err.Error(), "sesame")
	_, err = Open(t.Context(), "postgres://user:sesame@127.0.0.1:port/queue", "", store.Options{Now: time.Now})
	require.ErrorContains(t, err, "want postgres://")
	assert.NotContains(t, err.Error(), "sesame")
}

func TestWhatTheDatabaseRefusesOfOneCallIsNoMatterOfTheOthers(t *testing.T) {
	s := opened(t, database)
	var calls sync.WaitGroup
	for i := range 40 {
		calls.Go(func() {
			name := fmt.Sprint("item-", i)
			if i%10 == 0 {
				name += "\x00"
			}
			_, err := s.Enqueue(t.Context(), []store.NewItem{{Stage: "resize", Name: name}})
			assert.Equal(t, i%10 == 0, err != nil, err)
		})
	}
	calls.Wait()
	stats, err := s.Stats(t.Context())
	require.NoError(t, err)
	assert.EqualValues(t, 36, stats.Stages["resize"].Counts[api.Waiting])
}

// What has become due is read first and ended afterwards; in between, others of the same transaction have their say.
func TestALateAcknowledgementCountsAlsoWhereItsLeaseIsJustEnding(t *testing.T) {
	now := time.Now()
	s := opened(t, database)
	s.options.Now = func() time.Time { return now }
	_, err := s.Enqueue(t.Context(), []store.NewItem{{Stage: "resize", Name: "acked"}, {Stage: "resize", Name: "extended"}, {Stage: "resize", Name: "given back"}})
	require.NoError(t, err)
	items, err := s.Receive(t.Context(), store.Receive{Stage: "resize", Max: 3, Until: now.Add(time.Second)})
	require.NoError(t, err)
	require.Len(t, items, 3)
	lease := func(i int) store.Lease { return store.Lease{ID: items[i].ID, Epoch: items[i].Epoch} }
	now = now.Add(2 * time.Second)

	// All writers wait while the calls gather.
	lock, err := s.pool.Begin(t.Context())
	require.NoError(t, err)
	_, err = lock.Exec(t.Context(), "LOCK TABLE items")
	require.NoError(t, err)
	var calls sync.WaitGroup
	waiting := 0
	gathers := func(call func() error) {
		calls.Go(func() { assert.NoError(t, call()) })
		waiting++
		if waiting <= writers {
			require.Eventually(t, func() bool { return s.pool.Stat().AcquiredConns() == int32(1+waiting) }, time.Minute, time.Millisecond)
			return
		}
		require.Eventually(t, func() bool { return len(s.calls) == waiting-writers }, time.Minute, time.Millisecond)
	}
	for i := range writers {
		gathers(func() error {
			_, err := s.Enqueue(t.Context(), []store.NewItem{{Stage: "other", Name: fmt.Sprint(i)}})
			return err
		})
	}
	gathers(func() error {
		_, _, err := s.Tick(t.Context(), func(string) store.Rule { return store.Rule{MaxAttempts: 1} }, 100)
		return err
	})
	gathers(func() error {
		results, err := s.Commit(t.Context(), []store.Commit{{Lease: lease(0), Items: []store.NewItem{{Stage: "next", Name: "acked"}}}})
		assert.Equal(t, []error{nil}, results)
		return err
	})
	gathers(func() error {
		results, err := s.Extend(t.Context(), []store.Lease{lease(1)}, now.Add(time.Minute))
		assert.Equal(t, []error{nil}, results)
		return err
	})
	gathers(func() error {
		results, err := s.GiveBack(t.Context(), []store.GiveBack{{Lease: lease(2), Release: true}})
		assert.Equal(t, []error{nil}, results)
		return err
	})
	require.NoError(t, lock.Rollback(t.Context()))
	calls.Wait()

	stats, err := s.Stats(t.Context())
	require.NoError(t, err)
	assert.Equal(t, map[api.State]int64{api.Done: 1, api.InFlight: 1, api.Waiting: 1}, present(stats.Stages["resize"].Counts))
	assert.Equal(t, map[api.State]int64{api.Waiting: 1}, present(stats.Stages["next"].Counts))
}

func present(counts map[api.State]int64) map[api.State]int64 {
	maps.DeleteFunc(counts, func(_ api.State, n int64) bool { return n == 0 })
	return counts
}
