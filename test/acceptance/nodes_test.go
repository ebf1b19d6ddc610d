//go:build nodes

package acceptance

import (
	"bytes"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A node is one of several of test/engines.
type node struct {
	s *stage
	// name of the node, as its engine has it.
	name string
}

// nodeOf a replica.
func (s *stage) nodeOf(r replica) node {
	s.Helper()
	if k, ok := s.cluster.(*kube); ok {
		var pod struct{ Spec struct{ NodeName string } }
		k.do(s.T, http.MethodGet, k.at("/api/v1 pods/%s", r.ID), nil, &pod)
		return node{s, pod.Spec.NodeName}
	}
	a, _, err := s.cluster.(*nomad).client.Allocations().Info(r.ID, s.cluster.(*nomad).query)
	require.NoError(s, err)
	return node{s, a.NodeName}
}

// cable is pulled ("partition") or put in again ("heal").
func (n node) cable(what string) {
	n.s.Helper()
	var out bytes.Buffer
	c := exec.Command(filepath.Join("..", "engines", "node.sh"), what, n.name)
	c.Stdout, c.Stderr = &out, &out
	require.NoError(n.s, c.Run(), out.String())
}

// drain the node as its operator does, or let it take replicas again.
func (n node) drain(begin bool) {
	n.s.Helper()
	if cluster, ok := n.s.cluster.(*nomad); ok {
		nodes, _, err := cluster.client.Nodes().List(nil)
		require.NoError(n.s, err)
		for _, is := range nodes {
			if is.Name != n.name {
				continue
			}
			options := &api.DrainOptions{MarkEligible: !begin}
			if begin {
				options.DrainSpec = &api.DrainSpec{Deadline: 30 * time.Second, IgnoreSystemJobs: true}
			}
			_, err := cluster.client.Nodes().UpdateDrainOpts(is.ID, options, nil)
			require.NoError(n.s, err)
		}
		return
	}
	args := []string{"uncordon", n.name}
	if begin {
		args = []string{"drain", n.name, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=60s"}
	}
	out, err := exec.Command("kubectl", args...).CombinedOutput()
	require.NoError(n.s, err, string(out))
}

// asks a service from within a replica on a node that is not lost, until a replica of that name answers. (This machine reaches Services
// by the first node, which may be the one that is.)
func (k *kube) asks(t *testing.T, lost node, url, name string) {
	t.Helper()
	const ask = `import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=2).read().decode())`
	eventually(t, 40*time.Second, func() bool {
		for _, r := range k.replicas(t, "writer") {
			if lost.s.nodeOf(r).name != lost.name {
				out, err := exec.Command("kubectl", "--namespace", k.namespace, "exec", r.ID, "--container", "main", "--", "python3", "-c", ask, url).CombinedOutput()
				return err == nil && strings.Contains(string(out), `"name": "`+name+`"`)
			}
		}
		return false
	}, "%s is reached at %s", name, url)
}

// A node is lost, and another one drained: the leader that was there is followed, and who comes back does not lead.
func TestALeaderLosesItsNode(t *testing.T) {
	for _, engine := range engines { // one after the other: each has all nodes to itself
		for _, backend := range []string{"engine", "raft"} {
			t.Run(engine+"/"+backend, func(t *testing.T) {
				s := newStage(t, engine, "terraform")
				l := newLedger(s.T)
				w := writer(s.T, backend, l.url)
				w["spread"] = []object{{"over": "node", "required": true}}
				s.write(s.providerOfThisRun(), object{"resource": object{"pattern_leader_election": object{"writer": w}}})
				s.apply()
				all := func() bool {
					ready := 0
					for _, r := range s.replicas(s.T, "writer") {
						if _, ok := hear(r.Address); ok && r.Ready {
							ready++
						}
					}
					return ready == 3
				}

				lost, name := s.leader(30 * time.Second)
				n := s.nodeOf(lost)
				eventually(s.T, 10*time.Second, func() bool { e, _ := l.last(time.Time{}); return e.by == name }, "%s writes", name)
				begun := time.Now()
				n.cable("partition")
				var e entry
				healed := false
				defer func() {
					if !healed {
						n.cable("heal")
					}
				}()
				eventually(s.T, 30*time.Second, func() (ok bool) { e, ok = l.last(begun); return ok && e.by != name }, "another one writes")
				s.Logf("%s is cut off: %s writes after %s", n.name, e.by, e.at.Sub(begun).Round(time.Millisecond))
				if k, ok := s.cluster.(*kube); ok {
					k.asks(s.T, n, "http://"+s.reached("writer-one")[0]+"/", e.by) // the name server may be lost, too
				} else {
					s.follows(e.by, begun)
				}
				s.Logf("the service follows after %s", time.Since(begun).Round(time.Millisecond))
				n.cable("heal")
				healed = true
				eventually(s.T, 90*time.Second, all, "all are there again")
				for _, r := range s.replicas(s.T, "writer") {
					if is, ok := hear(r.Address); ok && is.Name == name {
						assert.False(s, is.Election.Self && is.Election.Term <= e.token, "who was cut off does not lead by its former term")
					}
				}

				leads, name := s.leader(30 * time.Second)
				n = s.nodeOf(leads)
				begun = time.Now()
				n.drain(true)
				eventually(s.T, 60*time.Second, func() (ok bool) { e, ok = l.last(begun); return ok && e.by != name }, "another one writes")
				<-time.After(fastLease)
				gap, _ := l.gap(begun)
				s.Logf("%s is drained: nobody writes for %s", n.name, gap.Round(time.Millisecond))
				assert.Less(s, gap, fastLease, "nobody had to wait for a lease")
				n.drain(false)
				eventually(s.T, 90*time.Second, all, "all are there again")

				before := uint64(0)
				for _, e := range l.all() {
					require.GreaterOrEqual(s, e.token, before)
					before = e.token
				}
				s.destroy()
				s.gone("writer")
			})
		}
	}
}
