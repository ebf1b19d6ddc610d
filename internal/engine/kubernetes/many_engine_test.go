//go:build engine

package kubernetes

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

func TestEngineRefreshesManyInstancesWithoutHoldingBack(t *testing.T) {
	s := newStage(t)
	const many = 300
	instance := func(i int) *topology.Topology {
		web := s.demo(0)
		web.Name = fmt.Sprintf("web-%d", i)
		web.Groups[0].Services[0].Name = web.Name
		web.Configs = []topology.Config{{Name: "settings", Files: map[string]string{"a.txt": "one"}}}
		return web
	}
	each := func(f func(int) error) time.Duration {
		begun := time.Now()
		var g errgroup.Group
		g.SetLimit(10) // as Terraform does it
		for i := range many {
			g.Go(func() error { return f(i) })
		}
		require.NoError(t, g.Wait())
		return time.Since(begun)
	}
	t.Logf("%d applied in %s", many, each(func(i int) error { return s.engine.Apply(s.ctx, instance(i), engine.ApplyOptions{Create: true}) }))
	var took time.Duration
	n := s.requests.during(func() {
		took = each(func(i int) error {
			o, err := s.engine.Observe(s.ctx, instance(i))
			if err == nil && len(o.Drift) > 0 {
				err = fmt.Errorf("drift: %v", o.Drift)
			}
			return err
		})
	})
	t.Logf("%d refreshed in %s with %d requests", many, took, n)
	assert.LessOrEqual(t, n, 3*many)
	// client-go's own limiter, 5 requests a second, would need minutes.
	assert.Less(t, took, time.Minute)
}
