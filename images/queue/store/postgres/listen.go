package postgres

import (
	"context"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// channel of notifications. A schema's name could be too long for one.
func (s *Store) channel() string {
	h := fnv.New64a()
	h.Write([]byte(s.schema))
	return fmt.Sprintf("work_queue_%016x", h.Sum64())
}

// message of a stage; a "+" says that items have begun to wait.
func message(stage int32, began bool) string {
	if began {
		return fmt.Sprintf("%d+", stage)
	}
	return strconv.Itoa(int(stage))
}

// listen to what other servers do, until ctx ends. What was missed while there was no connection is made up for: all stages
// are taken to have changed.
func (s *Store) listen(ctx context.Context) {
	retry := time.NewTicker(500 * time.Millisecond)
	defer retry.Stop()
	for {
		_ = s.listenOnce(ctx) // the next attempt says it again, and calls say it to who asks
		select {
		case <-ctx.Done():
			return
		case <-retry.C:
		}
	}
}

func (s *Store) listenOnce(ctx context.Context) error {
	c, err := s.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	// Not given back to the pool: it listens.
	own := c.Hijack()
	defer func() { _ = own.Close(context.WithoutCancel(ctx)) }()
	if _, err := own.Exec(ctx, "LISTEN "+pgx.Identifier{s.channel()}.Sanitize()); err != nil {
		return err
	}
	if err := s.stages.load(ctx); err != nil {
		return err
	}
	s.hub.Add("", false)
	for _, name := range s.stages.all() {
		s.hub.Add(name, true)
	}
	for {
		n, err := own.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		number, began := strings.CutSuffix(n.Payload, "+")
		id, err := strconv.ParseInt(number, 10, 32)
		if err != nil {
			continue // somebody else's
		}
		name := ""
		if id != 0 {
			if name, err = s.stages.name(ctx, int32(id)); err != nil {
				return err
			}
		}
		s.hub.Add(name, began)
	}
}
