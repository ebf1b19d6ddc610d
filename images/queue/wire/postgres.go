package wire

import (
	"context"
	"errors"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/config"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
)

func openPostgres(context.Context, *config.Postgres, store.Options) (store.Store, error) {
	return nil, errors.New("not yet")
}
