package nomad

import (
	"context"
	"path"
	"strings"

	"github.com/hashicorp/nomad/api"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// mhzPerCore turns cores into Nomad's unit: what the configuration says, else what the job was made with, else what the
// ready nodes of the job's pool and datacenters say of themselves on average.
func (e *Engine) mhzPerCore(ctx context.Context, t *topology.Topology, r *record) (int, error) {
	if e.cfg.MHzPerCore > 0 {
		return e.cfg.MHzPerCore, nil
	}
	if r != nil && r.MHzPerCore > 0 {
		return r.MHzPerCore, nil
	}
	x, _ := jobExtras(t)
	key := x.NodePool + " " + strings.Join(x.Datacenters, ",")
	e.mu.Lock()
	mhz := e.mhz[key]
	e.mu.Unlock()
	if mhz > 0 {
		return mhz, nil
	}
	c, err := e.connect()
	if err != nil {
		return 0, err
	}
	q := e.query(ctx, t.Namespace)
	q.Params = map[string]string{"resources": "true"}
	nodes, _, err := c.Nodes().List(q)
	if err != nil {
		return 0, e.fault("list nodes, to learn how much CPU a core has (nomad.mhz_per_core can say it instead)", err)
	}
	if mhz = mean(nodes, x.Datacenters, x.NodePool); mhz == 0 {
		return DefaultMHzPerCore, nil // no node is ready: the scheduler will say so
	}
	e.mu.Lock()
	e.mhz[key] = mhz
	e.mu.Unlock()
	return mhz, nil
}

// mean MHz of a core over the nodes that a job can be placed on.
func mean(nodes []*api.NodeListStub, datacenters []string, pool string) int {
	var mhz, cores int
	for _, n := range nodes {
		if n.Status != api.NodeStatusReady || n.NodeResources == nil || !inDatacenter(n.Datacenter, datacenters) {
			continue
		}
		if pool != "" && pool != api.NodePoolAll && n.NodePool != pool {
			continue
		}
		mhz += int(n.NodeResources.Cpu.CpuShares)
		cores += int(n.NodeResources.Cpu.TotalCpuCores)
	}
	if cores == 0 {
		return 0
	}
	return mhz / cores
}

func inDatacenter(dc string, globs []string) bool {
	for _, g := range globs {
		if ok, _ := path.Match(g, dc); ok {
			return true
		}
	}
	return false
}
