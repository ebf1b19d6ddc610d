package nomad

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/nomad/api"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// ElectionPath is where a record that electors share lies: a variable below the job's.
func ElectionPath(job, record string) string { return variablePath(job) + "/elections/" + record }

// grants become one policy for each group, bound to it, so that only its containers' own identities have it. Nomad's
// capabilities end at the namespace: scale and observe reach the other jobs in it, too.
func (b *builder) grants(g *topology.Group) {
	capabilities := map[string]bool{}
	paths := map[string][]string{}
	for _, grant := range g.Grants {
		switch grant.Verb {
		case topology.GrantElect:
			for _, n := range grant.Names {
				paths[ElectionPath(b.t.Name, n)] = []string{"read", "write", "list"}
			}
		case topology.GrantScale:
			for _, c := range []string{"scale-job", "read-job-scaling", "read-job"} {
				capabilities[c] = true
			}
		case topology.GrantObserve:
			for _, c := range []string{"read-job", "list-jobs"} {
				capabilities[c] = true
			}
		}
	}
	for _, path := range b.foreign(g) {
		if _, granted := paths[path]; !granted {
			paths[path] = []string{"read"}
		}
	}
	if len(capabilities) == 0 && len(paths) == 0 {
		return
	}
	var rules strings.Builder
	fmt.Fprintf(&rules, "namespace %q {\n", b.plan.Key.Namespace)
	if len(capabilities) > 0 {
		fmt.Fprintf(&rules, "  capabilities = [%s]\n", list(sorted(capabilities)))
	}
	if len(paths) > 0 {
		rules.WriteString("  variables {\n")
		for _, p := range sorted(paths) {
			fmt.Fprintf(&rules, "    path %q {\n      capabilities = [%s]\n    }\n", p, list(paths[p]))
		}
		rules.WriteString("  }\n")
	}
	rules.WriteString("}\n")
	b.plan.Policies = append(b.plan.Policies, &api.ACLPolicy{
		Name:        policyName(b.plan.Key, g.Name),
		Description: fmt.Sprintf("What the group %s of the %s %s/%s may do.", g.Name, b.t.Pattern, b.plan.Key.Namespace, b.t.Name),
		Rules:       rules.String(),
		JobACL:      &api.JobACL{Namespace: b.plan.Key.Namespace, JobID: b.t.Name, Group: g.Name},
	})
}

func list(in []string) string {
	out := make([]string, len(in))
	for i, s := range in {
		out[i] = fmt.Sprintf("%q", s)
	}
	return strings.Join(out, ", ")
}

// policyName is unique in the cluster, whose policies have no namespace.
func policyName(k topology.Key, group string) string {
	return short("pattern-" + strings.NewReplacer("_", "-", ".", "-").Replace(k.Namespace) + "-" + k.Name + "-" + group)
}

// foreign paths are those of variables that others made and that the group reads. Nomad lets tasks read the variables
// along their own path without a policy.
func (b *builder) foreign(g *topology.Group) (out []string) {
	for _, c := range g.Containers {
		own := []string{"nomad/jobs", variablePath(b.t.Name), variablePath(b.t.Name) + "/" + g.Name, variablePath(b.t.Name) + "/" + g.Name + "/" + c.Name}
		for _, e := range c.Env {
			if e.Secret != nil && !e.Secret.Own && !slices.Contains(own, e.Secret.Name) {
				out = append(out, e.Secret.Name)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// tokenFor tells whether a container gets the token of its identity: those of the framework do, as they are what grants
// are for, unless the group has none of them.
func tokenFor(g *topology.Group, c *topology.Container) bool {
	if len(g.Grants) == 0 || c.Role == topology.Init {
		return false
	}
	framework := slices.ContainsFunc(g.Containers, func(c topology.Container) bool { return c.Framework })
	return c.Framework || !framework
}
