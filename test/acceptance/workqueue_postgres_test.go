//go:build acceptance

package acceptance

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/test/peers"
)

// Two servers share a PostgreSQL: whichever is killed, nothing is lost, and the other one goes on.
func TestWorkQueueOfTwoServersOnPostgres(t *testing.T) {
	onQueue(t, func(s *stage) {
		database, store := postgresFor(s.T), peers.Versitygw(s.T)
		store.MakeBucket(s.T, "payloads")
		w := newWitness(s.T)
		q := workQueue(object{"work": with(step(obey), object{"workers": object{"min": 0, "max": 2, "concurrency": 3, "scale_in_after": "2s"}, "visibility": "10s"})})
		q["secrets"] = object{
			"database": object{"values_wo": object{"url": database}, "values_wo_version": "1"},
			"storage":  object{"values_wo": object{"access_key": store.AccessKey, "secret_key": store.SecretKey}, "values_wo_version": "1"},
		}
		q["payloads"] = object{"inline_size": "1Ki", "url": fmt.Sprintf("s3://payloads?endpoint=http://%s&region=%s&use_path_style=true", forward(s.T, strings.TrimPrefix(store.Endpoint, "http://")), store.Region)}
		q["queue"].(object)["secret_env"] = object{
			"AWS_ACCESS_KEY_ID":     object{"secret": "storage", "key": "access_key"},
			"AWS_SECRET_ACCESS_KEY": object{"secret": "storage", "key": "secret_key"},
		}
		q["store"] = object{"postgres": object{"url": object{"secret": "database", "key": "url"}, "servers": 2}}
		s.works(q)
		s.applies("two servers")
		s.unchanged("with two servers")
		s.noTokens()
		state, err := os.ReadFile(filepath.Join(s.dir, "terraform.tfstate"))
		require.NoError(s, err)
		assert.NotContains(s, string(state), database, "the database's URL")
		servers := s.workers("queue")
		require.Len(s, servers, 2)

		c := s.client()
		var names []string
		push := func(n int) {
			batch := map[string]string{}
			for range n {
				name := fmt.Sprintf("item-%03d", len(names))
				names = append(names, name)
				batch[name] = fmt.Sprintf("%s\nbusybox sleep 0.%02d\n%s\n%s >$WORK_OUTPUT_FILE\n", w.tell("begin", name), rand.IntN(40), w.tell("end", name), []string{"echo", "busybox head -c 50000 /dev/zero"}[len(names)%2])
			}
			c.push("work", batch)
		}
		push(100)
		for n := range 2 {
			done := c.counts("work")[api.Done]
			push(20) // the former ones may all be done by now
			eventually(s.T, time.Minute, func() bool { return c.counts("work")[api.Done] > done+10 }, "items are done")
			victim := s.replica(s.queue(), servers[n].ID)
			pids := s.pids(s.T, victim, "main")
			require.NotEmpty(s, pids)
			killed := time.Now()
			for _, pid := range pids {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
			push(75)
			done = c.counts("work")[api.Done]
			eventually(s.T, time.Minute, func() bool { return c.counts("work")[api.Done] > done+5 }, "the other server goes on")
			s.Logf("killed %s; others were done %s later", victim.ID, time.Since(killed).Round(100*time.Millisecond))
			eventually(s.T, time.Minute, func() bool {
				now := s.workers("queue")
				return len(now) == 2 && ready(now) == 2 && now[0].Restarts["main"]+now[1].Restarts["main"] == n+1
			}, "the server is started again")
		}
		c.reaches("work", api.Done, len(names))
		assert.Equal(s, map[api.State]int64{api.Done: int64(len(names))}, positive(c.counts("work")))
		outputs := c.outputNames()
		slices.Sort(outputs)
		assert.Equal(s, names, outputs, "each item's output, once")
		again := 0
		for _, name := range names {
			if w.times("begin", name) > 1 {
				again++
			}
		}
		var large string
		c.do(http.MethodGet, "/v1/outputs/"+names[0], nil, &large)
		assert.Len(s, large, 50000, "from the bucket")
		s.Logf("%d of %d items were begun again", again, len(names))
		eventually(s.T, time.Minute, func() bool { return len(s.workers("work")) == 0 }, "whoever is elected scales in")
		s.destroy()
		s.gone(s.queue())
	})
}

func positive(counts map[api.State]int64) map[api.State]int64 {
	left := map[api.State]int64{}
	for state, n := range counts {
		if n > 0 {
			left[state] = n
		}
	}
	return left
}

// postgresFor gives the URL of a database of its own on a real server, as containers reach it: by a role with a password.
func postgresFor(t *testing.T) string {
	t.Helper()
	server := peers.NewPostgres(t, "")
	ctx := context.Background()
	db, err := pgx.Connect(ctx, server.URL)
	require.NoError(t, err)
	defer db.Close(ctx)
	const password = "a-word-that-is-in-no-state"
	rules := "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
	require.NoError(t, os.WriteFile(filepath.Join(server.Data, "pg_hba.conf"), []byte(rules), 0o644))
	for _, line := range []string{"CREATE ROLE work LOGIN PASSWORD '" + password + "'", "CREATE DATABASE work OWNER work", "SELECT pg_reload_conf()"} {
		_, err := db.Exec(ctx, line)
		require.NoError(t, err, strings.Fields(line)[:2])
	}
	at, err := url.Parse(server.URL)
	require.NoError(t, err)
	return fmt.Sprintf("postgres://work:%s@%s/work?sslmode=disable", password, forward(t, at.Host))
}
