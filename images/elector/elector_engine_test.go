//go:build engine

package main_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/config"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/inclustertest"
)

// everywhere is a backend that is the same for all electors.
func everywhere(b config.Backend) func(int) config.Backend {
	return func(int) config.Backend { return b }
}

func TestOnKubernetes(t *testing.T) {
	if os.Getenv("KUBECONFIG") == "" {
		t.Skip("only Nomad is up")
	}
	var names []string
	for slot := range slots {
		names = append(names, fmt.Sprint("member-", slot))
	}
	names = append(names, "election-one")
	r := inclustertest.New(t, inclustertest.Leases("web", names...), "web")
	succession(t, everywhere(config.Backend{Kubernetes: &config.Kubernetes{Prefix: "web", Account: r.Account}}))
	assert.NotEmpty(t, r.Kubectl("", "get", "lease", "web-election-one", "-o", "jsonpath={.spec.holderIdentity}"))
}

func TestOnNomad(t *testing.T) {
	if os.Getenv("NOMAD_ADDR") == "" {
		t.Skip("only Kubernetes is up")
	}
	admin, err := api.NewClient(api.DefaultConfig())
	require.NoError(t, err)
	path := fmt.Sprintf("nomad/jobs/test-%d/elections", time.Now().UnixNano())
	t.Cleanup(func() {
		list, _, err := admin.Variables().PrefixList(path, nil)
		require.NoError(t, err)
		for _, v := range list {
			_, err := admin.Variables().Delete(v.Path, nil)
			require.NoError(t, err)
		}
	})
	succession(t, everywhere(config.Backend{Nomad: &config.Nomad{Path: path}}))
}
