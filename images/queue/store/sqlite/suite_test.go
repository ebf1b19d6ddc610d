package sqlite

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store/storetest"
)

func TestSuite(t *testing.T) {
	storetest.Suite(t, func(t testing.TB, o store.Options) storetest.Instance {
		s, err := Open(t.Context(), t.TempDir(), o)
		require.NoError(t, err)
		return storetest.Instance{Store: s}
	})
}

func FuzzStore(f *testing.F) {
	storetest.Fuzz(f, func(t testing.TB, o store.Options) storetest.Instance {
		s, err := Open(t.Context(), t.TempDir(), o)
		require.NoError(t, err)
		return storetest.Instance{Store: s}
	})
}
