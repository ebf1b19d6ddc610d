package nomad

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/nomad/api"

	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// metaChecks is the key of a group's mark in its meta: another mark makes Nomad replace the group's replicas.
//
// Nomad would take other checks for an update in place. Its client then stops asking the former ones, but an answer that it
// waits for at that moment comes back as a failure, and stays among the results. The replica never becomes healthy, the
// deployment fails, and the next update in place makes the whole client panic, as nobody observes the check whose result is
// to go (client/allocrunner/checks_hook.go of 1.11.2: observer.start puts a result into the store that Update has cleared).
const metaChecks = topology.LabelPrefix + "checks"

// checksOf a group, as far as they make one check another to Nomad's client: structs.NomadCheckID, less what is the same in
// all of ours. What follows from failures (check_restart) is not among it, and may change in place.
func checksOf(g *api.TaskGroup) (out []string) {
	for _, task := range g.Tasks {
		for _, s := range task.Services {
			for _, c := range s.Checks {
				out = append(out, fmt.Sprintf("%q %q %s %q %s %s %s %q %t", task.Name, c.Name, c.Type, c.PortLabel, c.Interval, c.Timeout, c.Protocol, c.Path, c.TLSSkipVerify))
			}
		}
	}
	slices.Sort(out)
	return out
}

// markOf checks. The former mark makes another one of the same checks.
func markOf(checks []string, former string) string {
	sum := sha256.Sum256([]byte(strings.Join(append(checks, former), "\n")))
	return hex.EncodeToString(sum[:8])
}

// mark a group, be it without checks: a group that has no mark is of a provider that knew none, whatever its checks. One
// that runs to its end gets none: no deployment waits for it, and to replace what runs would begin its work anew.
func mark(tg *api.TaskGroup, identity topology.Identity) {
	if identity != topology.ToCompletion {
		setMark(tg, markOf(checksOf(tg), ""))
	}
}

func setMark(tg *api.TaskGroup, mark string) {
	if mark == "" {
		delete(tg.Meta, metaChecks)
		return
	}
	if tg.Meta == nil {
		tg.Meta = map[string]string{}
	}
	tg.Meta[metaChecks] = mark
}

// keepMarks of groups whose checks are as they were, be it none in a job of a provider that knew no marks: to apply what
// runs already replaces nothing. Where they are not, the mark must be another one, even if somebody has changed the checks
// alone.
func keepMarks(job, was *api.Job) {
	if was == nil || *job.Type == api.JobTypeBatch {
		return
	}
	former := map[string]*api.TaskGroup{}
	for _, g := range was.TaskGroups {
		former[*g.Name] = g
	}
	for _, g := range job.TaskGroups {
		old := former[*g.Name]
		if old == nil {
			continue
		}
		checks, had := checksOf(g), old.Meta[metaChecks]
		switch {
		case slices.Equal(checks, checksOf(old)):
			setMark(g, had)
		case g.Meta[metaChecks] == had:
			setMark(g, markOf(checks, had))
		}
	}
}
