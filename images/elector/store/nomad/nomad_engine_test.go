//go:build engine

package nomad_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/store"
	"github.com/container-patterns/terraform-provider-pattern/images/elector/store/nomad"
	"github.com/container-patterns/terraform-provider-pattern/images/elector/store/storetest"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/intask"
)

func TestStore(t *testing.T) {
	for _, v := range []string{"NOMAD_ADDR", "NOMAD_TOKEN"} {
		require.NotEmpty(t, os.Getenv(v), `run test/engines/engines.sh up nomad, and eval "$(test/engines/engines.sh env)"`)
	}
	admin, err := api.NewClient(api.DefaultConfig())
	require.NoError(t, err)
	prefix := fmt.Sprintf("nomad/jobs/test-%d/elections", time.Now().UnixNano())
	keys := [4]string{"a", "b", "c", "d"}
	t.Cleanup(func() {
		for _, key := range keys {
			_, err := admin.Variables().Delete(prefix+"/"+key, nil)
			require.NoError(t, err)
		}
	})
	storetest.Run(t, func(t *testing.T) store.Store {
		client, err := intask.New()
		require.NoError(t, err)
		return nomad.New(client, prefix+"/")
	}, keys)

	t.Run("what is made anew is of a later generation", func(t *testing.T) {
		client, err := intask.New()
		require.NoError(t, err)
		s := nomad.New(client, prefix+"/")
		was, err := s.Get(t.Context(), "a")
		require.NoError(t, err)
		_, err = admin.Variables().Delete(prefix+"/a", nil)
		require.NoError(t, err)
		none, err := s.Get(t.Context(), "a")
		require.NoError(t, err)
		require.Nil(t, none.Value)
		require.Greater(t, none.Generation, was.Generation)
		_, err = s.Put(t.Context(), "a", []byte("{}"), none.Version)
		require.NoError(t, err)
		is, err := s.Get(t.Context(), "a")
		require.NoError(t, err)
		require.Equal(t, none.Generation, is.Generation)
	})
}
