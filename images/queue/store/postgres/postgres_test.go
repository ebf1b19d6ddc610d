package postgres

import (
	"context"
	"strings"
	"sync"
	"time"

	"fmt"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/stretchr/testify/assert"
	"os"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

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
