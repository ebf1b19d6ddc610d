//go:build engine

package kubernetes_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/store"
	"github.com/container-patterns/terraform-provider-pattern/images/elector/store/kubernetes"
	"github.com/container-patterns/terraform-provider-pattern/images/elector/store/storetest"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/incluster"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/inclustertest"
)

func TestStore(t *testing.T) {
	r := inclustertest.New(t, inclustertest.Leases("web", "a", "b", "c", "d"), "web")
	show := func(_ string, value []byte) kubernetes.Shown {
		var holder string
		_ = json.Unmarshal(value, &holder)
		return kubernetes.Shown{HolderIdentity: holder, LeaseDurationSeconds: 7}
	}
	client := func(t *testing.T) store.Store {
		api, err := incluster.New(r.Account)
		require.NoError(t, err)
		return kubernetes.New(api, "web-", show)
	}
	storetest.Run(t, client, [4]string{"a", "b", "c", "d"})
	assert.Equal(t, "x 7", r.Kubectl("", "get", "lease", "web-d", "-o", "jsonpath={.spec.holderIdentity} {.spec.leaseDurationSeconds}"))

	t.Run("what is made anew is of a later generation", func(t *testing.T) {
		was, err := client(t).Get(t.Context(), "a")
		require.NoError(t, err)
		<-time.After(1100 * time.Millisecond)
		r.Kubectl("", "delete", "lease", "web-a")
		r.Kubectl("apiVersion: coordination.k8s.io/v1\nkind: Lease\nmetadata: {name: web-a}\n", "apply", "-f", "-")
		is, err := client(t).Get(t.Context(), "a")
		require.NoError(t, err)
		assert.Greater(t, is.Generation, was.Generation)
	})

	t.Run("what is not granted, or not there, is said", func(t *testing.T) {
		_, err := client(t).Get(t.Context(), "other")
		require.ErrorContains(t, err, "apply the instance again")
		assert.ErrorContains(t, err, "web-other")
	})
}
