// Package postgres is the store of any number of queue servers: a schema of a PostgreSQL database (12 or newer).
//
// Calls of a server that are waiting are done together, in one transaction with one commit and few round trips. Servers do
// not wait for each other: receives skip what is locked, counters are kept by server and added up when they are read. Only
// what touches groups goes one after the other.
//
// Commits are synchronous whatever the role's or the database's default is. Times are those of the servers (Options.Now):
// clocks that differ let a lease or a delay end that much earlier or later when another server looks, and change nothing of
// who may commit. Connections are the server's own (LISTEN, session settings): a pooler between must pool sessions.
package postgres

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store/internal/changes"
)

//go:embed schema.sql
var schemaSQL string

// DefaultSchema where none is configured.
const DefaultSchema = "work_queue"

// writers are transactions at once. While one waits for its commit, another works on what has gathered since.
const writers = 4

// connections of a server: the writers', the listener's, and those of reads.
const connections = writers + 1 + 4

// Store is one server's.
type Store struct {
	options store.Options
	pool    *pgxpool.Pool
	schema  string
	slot    int32
	hub     *changes.Hub
	stages  *stages

	calls  chan *call
	mu     sync.RWMutex // held for reading by who sends to calls, and by reads
	closed bool
	ended  sync.WaitGroup
	cancel context.CancelFunc // of the listener
}

var _ store.Store = (*Store)(nil)

// Open the store in a schema, which is made where it is missing. An unreachable server is waited for until ctx ends.
func Open(ctx context.Context, url, schema string, options store.Options) (*Store, error) {
	if schema == "" {
		schema = DefaultSchema
	}
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("the database's URL: want postgres://USER:PASSWORD@HOST/DATABASE: %w", redact(err))
	}
	config.ConnConfig.RuntimeParams["search_path"] = pgx.Identifier{schema}.Sanitize()
	config.ConnConfig.RuntimeParams["application_name"] = "pattern-work-queue"
	// A server that is cut off must not keep its locks for long.
	config.ConnConfig.RuntimeParams["idle_in_transaction_session_timeout"] = "30s"
	config.AfterConnect = func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, synchronousCommit())
		return err
	}
	config.MaxConns = max(config.MaxConns, connections)
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect to the database: %w", redact(err))
	}
	s := &Store{
		options: options, pool: pool, schema: schema, hub: changes.New(), stages: &stages{pool: pool}, calls: make(chan *call, 4096),
	}
	if err := s.prepare(ctx); err != nil {
		pool.Close()
		s.hub.Close()
		return nil, err
	}
	listen, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.ended.Go(func() { s.listen(listen) })
	for i := range int32(writers) {
		w := &writer{s: s, slot: s.slot*writers + i}
		s.ended.Go(w.run)
	}
	return s, nil
}

// synchronousCommit is forced on: with off or local an acknowledged change could be lost with the server or its standby.
func synchronousCommit() string {
	if sabotage == "nofsync" {
		return "SET synchronous_commit = off"
	}
	return "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') NOT IN ('on', 'remote_apply')"
}

// prepare the schema, once of all servers that start, and take a slot of the counters.
func (s *Store) prepare(ctx context.Context) error {
	retry := time.NewTicker(250 * time.Millisecond)
	defer retry.Stop()
	var last error
	for {
		err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtext('pattern_work_queue'), hashtext($1))", s.schema); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, "CREATE SCHEMA IF NOT EXISTS "+pgx.Identifier{s.schema}.Sanitize()); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, schemaSQL); err != nil {
				return err
			}
			// Servers that come and go take the slots of others again, which costs a wait at worst.
			return tx.QueryRow(ctx, "SELECT (nextval('slots') % 64)::int").Scan(&s.slot)
		})
		var refused *pgconn.PgError
		if err == nil || (errors.As(err, &refused) && !unavailable(refused)) {
			if err != nil {
				return fmt.Errorf("prepare the schema %q of the database: %w", s.schema, err)
			}
			return nil
		}
		if ctx.Err() == nil {
			last = err
		}
		select {
		case <-retry.C:
		case <-ctx.Done():
			if last != nil {
				err = last // says more
			}
			at := s.pool.Config().ConnConfig
			return fmt.Errorf("%w: connect to the database at %s, port %d: %w: %w", store.ErrUnavailable, at.Host, at.Port, ctx.Err(), redact(err))
		}
	}
}

// Close waits for calls that are running.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	close(s.calls)
	s.mu.Unlock()
	s.cancel()
	s.ended.Wait()
	s.pool.Close()
	s.hub.Close()
	return nil
}

// Changed yields stages as they change.
func (s *Store) Changed() <-chan store.Change { return s.hub.Changes() }
