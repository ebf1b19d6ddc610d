package nomad

import (
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"
)

// unplaced are the groups that the scheduler last found no place for, with what it tried.
func (w *waiter) unplaced() map[string]*api.AllocationMetric {
	var newest *api.Evaluation
	for _, ev := range w.evals {
		if ev.JobModifyIndex >= *w.job.JobModifyIndex && ev.Status == api.EvalStatusComplete && (newest == nil || ev.ModifyIndex > newest.ModifyIndex) {
			newest = ev
		}
	}
	if newest == nil {
		return nil
	}
	out := maps.Clone(newest.FailedTGAllocs)
	maps.DeleteFunc(out, func(group string, _ *api.AllocationMetric) bool { return !w.concerns(group) })
	return out
}

// placement fails when groups have had no place for a while.
func (w *waiter) placement(current []*api.AllocationListStub) *failure {
	placed := map[string]int{}
	for _, a := range current {
		if a.JobVersion == *w.job.Version { // not those that wait for their successors
			placed[a.TaskGroup]++
		}
	}
	unplaced := w.unplaced()
	for group := range w.blocked {
		if unplaced[group] == nil {
			delete(w.blocked, group)
		}
	}
	for _, group := range sorted(unplaced) {
		if placed[group] >= w.counts[group] && w.counts[group] > 0 {
			delete(w.blocked, group)
			continue
		}
		if w.blocked == nil {
			w.blocked = map[string]time.Time{}
		}
		since, known := w.blocked[group]
		if !known {
			w.blocked[group] = time.Now()
			continue
		}
		if time.Since(since) >= w.patience(group, unplaced[group]) {
			return &failure{group: group, reason: "Unschedulable", message: whyNot(unplaced[group])}
		}
	}
	return nil
}

// patience with a group that has no place. A node tells the servers of the volumes that were made on it some seconds later.
func (w *waiter) patience(group string, m *api.AllocationMetric) time.Duration {
	if m != nil && m.ConstraintFiltered["missing compatible host volumes"] > 0 {
		for _, g := range w.job.TaskGroups {
			for _, v := range g.Volumes {
				if *g.Name == group && v.AccessMode != "" { // made for this job
					return 3 * unplaceable
				}
			}
		}
	}
	return unplaceable
}

// whyNot puts the scheduler's figures into words.
func whyNot(m *api.AllocationMetric) string {
	if m == nil {
		return "the scheduler gives no reason"
	}
	if m.NodesEvaluated == 0 {
		dcs := strings.Join(sorted(m.NodesAvailable), ", ")
		pool := m.NodePool
		if pool == "" {
			pool = "default"
		}
		text := fmt.Sprintf("no ready node is in the job's datacenters and node pool %q", pool)
		if dcs != "" {
			text += "; there are nodes in: " + dcs
		}
		return text
	}
	var parts []string
	for _, c := range sorted(m.ConstraintFiltered) {
		parts = append(parts, fmt.Sprintf("%d do not fulfil %q", m.ConstraintFiltered[c], c))
	}
	for _, c := range sorted(m.ClassFiltered) {
		parts = append(parts, fmt.Sprintf("%d of class %q are filtered", m.ClassFiltered[c], c))
	}
	for _, d := range sorted(m.DimensionExhausted) {
		parts = append(parts, fmt.Sprintf("%d have not enough of: %s", m.DimensionExhausted[d], d))
	}
	for _, q := range m.QuotaExhausted {
		parts = append(parts, "the quota is exhausted: "+q)
	}
	if len(parts) == 0 {
		parts = []string{fmt.Sprintf("%d are filtered, %d exhausted", m.NodesFiltered, m.NodesExhausted)}
	}
	return fmt.Sprintf("of %d nodes, %s", m.NodesEvaluated, strings.Join(parts, "; "))
}
