package postgres

import (
	"fmt"
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
