package postgres

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
)

// unavailable says that the server is starting, stopping, out of connections or otherwise not there for now.
func unavailable(e *pgconn.PgError) bool {
	class := e.Code[:min(len(e.Code), 2)]
	return class == "57" || class == "08" || e.Code == "53300"
}

// aborted says that the server rolled the transaction back for the sake of another one: it can be done again.
func aborted(e *pgconn.PgError) bool { return e.Code == "40001" || e.Code == "40P01" }

// explain an error of a transaction that has not been committed: nothing was changed.
func explain(err error) error {
	var e *pgconn.PgError
	switch {
	case err == nil || errors.Is(err, store.ErrNotFound) || errors.Is(err, errClosed):
		return err
	case !errors.As(err, &e):
		return fmt.Errorf("%w: %w", store.ErrUnavailable, redact(err))
	case e.Code == "53100" || e.Code == "53400":
		return fmt.Errorf("%w: make room on the volume of the database server: %w", store.ErrNoSpace, err)
	case unavailable(e) || aborted(e):
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	default:
		return fmt.Errorf("database: %w", err)
	}
}

// redact an error that quotes the URL. pgx leaves the password out of those that it knows of; this is for the rest.
func redact(err error) error {
	text := err.Error()
	if at := strings.LastIndex(text, "@"); at >= 0 && strings.Contains(text[:at], "://") {
		return errors.New(text[:strings.Index(text, "://")+3] + "..." + text[at:])
	}
	return err
}
