package kubernetes

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestOnlyTheServersOwnFailuresAreTriedAgain(t *testing.T) {
	for _, c := range []struct {
		name  string
		err   error
		tries int
	}{
		{"an internal error", apierrors.NewInternalError(errors.New("etcdserver: leader changed")), 2},
		{"a server that is not ready", apierrors.NewServiceUnavailable("starting"), 2},
		{"a connection that broke", io.ErrUnexpectedEOF, 2},
		{"credentials that have expired", apierrors.NewUnauthorized("expired"), 2},
		{"a refusal", apierrors.NewBadRequest("no"), 1},
		{"a conflict", apierrors.NewConflict(schema.GroupResource{}, "web", errors.New("changed")), 1},
		{"a host that is not there", errors.New("dial tcp: connection refused"), 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := 0
			_, err := again(t.Context(), func() (int, error) {
				if n++; n == 1 {
					return 0, c.err
				}
				return n, nil
			})
			assert.Equal(t, c.tries, n)
			assert.Equal(t, c.tries == 1, err != nil)
		})
	}
	t.Run("credentials that stay wrong are tried twice", func(t *testing.T) {
		n := 0
		_, err := again(t.Context(), func() (int, error) { n++; return 0, apierrors.NewUnauthorized("wrong") })
		assert.True(t, apierrors.IsUnauthorized(err))
		assert.Equal(t, 2, n)
	})
	t.Run("not beyond the time that there is", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		begun := time.Now()
		_, err := again(ctx, func() (int, error) { return 0, apierrors.NewServiceUnavailable("starting") })
		assert.Error(t, err)
		assert.Less(t, time.Since(begun), time.Second)
	})
}
