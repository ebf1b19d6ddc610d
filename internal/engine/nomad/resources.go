package nomad

import (
	"github.com/hashicorp/nomad/api"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// What a container gets that asks for nothing. Where memory oversubscription is off, as it is by default, the memory is
// all that it gets.
const (
	defaultMilliCPU = 10
	defaultMemoryMB = 128
	minMemoryMB     = 10 // Nomad's own
	// unlimitedMB is Nomad's "no limit" for memory_max.
	unlimitedMB = -1
)

// resources of a container. CPU is Nomad's shares: a container may use all that others leave, in proportion to what it
// asked for, unless its limit equals its request.
func (b *builder) resources(r topology.Resources) *api.Resources {
	cpu := r.Requests.MilliCPU
	if cpu == 0 {
		cpu = r.Limits.MilliCPU
	}
	if cpu == 0 {
		cpu = defaultMilliCPU
	}
	out := &api.Resources{CPU: new(max(1, int((cpu*int64(b.options.MHzPerCore)+999)/1000)))}

	request, limit := megabytes(r.Requests.MemoryBytes), megabytes(r.Limits.MemoryBytes)
	switch {
	case request == 0 && limit == 0:
		out.MemoryMB, out.MemoryMaxMB = new(defaultMemoryMB), new(unlimitedMB)
	case limit == 0:
		out.MemoryMB, out.MemoryMaxMB = new(max(request, minMemoryMB)), new(unlimitedMB)
	case request == 0 || request >= limit:
		out.MemoryMB = new(max(limit, minMemoryMB))
	default:
		out.MemoryMB, out.MemoryMaxMB = new(max(request, minMemoryMB)), new(max(limit, minMemoryMB))
	}
	return out
}

// hardCPU tells whether the limit is all that the container asked for. Nomad can enforce no other limit.
func hardCPU(r topology.Resources) bool {
	return r.Limits.MilliCPU > 0 && (r.Requests.MilliCPU == 0 || r.Requests.MilliCPU >= r.Limits.MilliCPU)
}

// megabytes rounds up to Nomad's unit, 2^20 bytes.
func megabytes(bytes int64) int { return int((bytes + 1<<20 - 1) >> 20) }
