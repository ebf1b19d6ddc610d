package nomad

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
)

func TestAPassingTroubleIsEndured(t *testing.T) {
	asked := 0
	err := steady(t.Context(), func() error {
		if asked++; asked == 1 {
			return errors.New("connection reset by peer")
		}
		return nil
	})
	assert.NoError(t, err)
	assert.Equal(t, 2, asked)

	config := &engine.ConfigError{Attribute: "token"}
	assert.ErrorIs(t, steady(t.Context(), func() error { return config }), error(config), "what the user has to change does not pass")

	ctx, cancel := context.WithCancel(t.Context())
	asked = 0
	assert.Error(t, steady(ctx, func() error { asked++; cancel(); return errors.New("reset") }))
	assert.Equal(t, 1, asked, "nobody waits any more")
}
