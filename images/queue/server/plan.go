package server

import "github.com/container-patterns/terraform-provider-pattern/images/queue/config"

// plan is a configuration with what each request would else find out anew.
type plan struct {
	*config.Config
	entries []string
	next    map[string][]string // of configured stages
	// several stages are the last, so that their outputs' names begin with theirs.
	several bool
}

func planOf(c *config.Config) *plan {
	p := &plan{Config: c, entries: c.Entries(), next: map[string][]string{}, several: len(c.Last()) > 1}
	for stage := range c.Stages {
		p.next[stage] = c.Next(stage)
	}
	return p
}

// resultName of an output of a last stage, or of one that is no longer configured.
func (p *plan) resultName(stage, name string) string {
	if p.several {
		return stage + "/" + name
	}
	return name
}
