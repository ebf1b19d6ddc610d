package kubernetes

import "github.com/container-patterns/terraform-provider-pattern/internal/topology"
import "github.com/container-patterns/terraform-provider-pattern/internal/engine"

func (e *Engine) Check(t *topology.Topology) []engine.Fault { return nil }
