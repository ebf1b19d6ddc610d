package wire

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/internal/image"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/clock"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/config"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store/postgres"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store/sqlite"
)

// openStore of the configuration's kind, and let its time go on.
func openStore(ctx context.Context, rt *image.Runtime[config.Config], queueTime *clock.Clock) (store.Store, error) {
	c := rt.File.Current()
	options := store.Options{Now: queueTime.Now, DeduplicationWindow: func() time.Duration { return rt.File.Current().DeduplicationWindow.Std() }}
	var s store.Store
	var err error
	if p := c.Store.Postgres; p != nil {
		s, err = openPostgres(ctx, p, options)
	} else {
		s, err = sqlite.Open(ctx, c.Store.Embedded.Directory, options)
	}
	if err != nil {
		return nil, fmt.Errorf("open the store: %w", err)
	}
	if err := queueTime.Restore(ctx, s); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func openPostgres(ctx context.Context, c *config.Postgres, options store.Options) (store.Store, error) {
	url, err := os.ReadFile(c.URLFile)
	if err != nil {
		return nil, fmt.Errorf("read the database's URL: %w", err)
	}
	return postgres.Open(ctx, strings.TrimSpace(string(url)), c.Schema, options)
}
