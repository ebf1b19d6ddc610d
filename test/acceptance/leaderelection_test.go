//go:build acceptance

package acceptance

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/fencing"
)

// elected is an application that writes to a resource while its group leads.
//
//go:embed elected.py
var elected string

// writer is a pattern_leader_election of three such applications.
func writer(t *testing.T, backend, resource string) object {
	w := object{
		"name": "writer", "replicas": 3,
		"main": object{
			"image": must(t, "TEST_SEARCH_LEAF_IMAGE"), "command": []string{"python3", "/app/elected.py"}, // any with Python
			"env":       object{"RESOURCE": resource, "REVISION": "1"},
			"ports":     object{"http": object{"port": 8080}},
			"mounts":    object{"app": object{"path": "/app"}},
			"probes":    object{"readiness": object{"http": object{"port": "http"}, "period": "1s"}},
			"security":  object{"user": 65532},
			"resources": object{"requests": object{"cpu": "10m", "memory": "32Mi"}},
		},
		"volumes":     object{"app": object{"config": object{"files": object{"elected.py": elected}}}},
		"expose":      object{"http": object{}},
		"elections":   object{"one": object{"expose_leader": true}},
		"elector":     object{"backend": backend, "lease": object{"profile": "fast"}},
		"termination": object{"grace": "3s", "drain": "1s"}, // the program ends by SIGKILL alone, as most do whose first process is an interpreter
		"timeouts":    object{"create": "3m", "update": "4m", "delete": "2m"},
	}
	if backend == "raft" {
		w["identity"] = "stable"
	}
	return w
}

// A ledger is a resource outside of the cluster that checks tokens, and remembers who wrote when.
type ledger struct {
	url string

	mu      sync.Mutex
	written []entry
}

type entry struct {
	by    string
	token uint64
	at    time.Time
}

func newLedger(t *testing.T) *ledger {
	t.Helper()
	host, _, err := net.SplitHostPort(must(t, "REGISTRY")) // where the engines reach this machine
	require.NoError(t, err)
	listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	require.NoError(t, err)
	l := &ledger{url: "http://" + listener.Addr().String()}
	server := &http.Server{Handler: fencing.Check(&fencing.Memory{}, l), ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }() // until it is closed
	t.Cleanup(func() { server.Close() })
	return l
}

func (l *ledger) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	by, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	token, _ := strconv.ParseUint(r.Header.Get(fencing.Header), 10, 64) // it has been checked
	l.mu.Lock()
	defer l.mu.Unlock()
	l.written = append(l.written, entry{string(by), token, time.Now()})
}

func (l *ledger) all() []entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]entry(nil), l.written...)
}

// last write; false if there is none since a moment.
func (l *ledger) last(since time.Time) (entry, bool) {
	all := l.all()
	if len(all) == 0 || all[len(all)-1].at.Before(since) {
		return entry{}, false
	}
	return all[len(all)-1], true
}

// gap is the longest time without a write since a moment, and the number of those who have written since.
func (l *ledger) gap(since time.Time) (longest time.Duration, writers int) {
	by, before := map[string]bool{}, since
	for _, e := range l.all() {
		if e.at.Before(since) {
			before = e.at
			continue
		}
		by[e.by], longest, before = true, max(longest, e.at.Sub(before)), e.at
	}
	return max(longest, time.Since(before)), len(by)
}

// said is what an application says of itself.
type said struct {
	Name, Revision string
	Election       struct {
		Leader string
		Self   bool
		Term   uint64
	}
}

func hear(address string) (s said, ok bool) {
	client := http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get("http://" + address + "/")
	if err != nil {
		return s, false
	}
	defer response.Body.Close()
	return s, json.NewDecoder(response.Body).Decode(&s) == nil
}

// leader is the replica that says it leads.
func (s *stage) leader(within time.Duration) (r replica, name string) {
	s.Helper()
	eventually(s.T, within, func() bool {
		for _, r = range s.replicas(s.T, "writer") {
			if is, ok := hear(r.Address); ok && is.Election.Self {
				name = is.Name
				return true
			}
		}
		return false
	}, "one leads")
	return r, name
}

// reached is where a service is reached from this machine, by the port 8080 of its containers.
func (s *stage) reached(name string) []string {
	s.Helper()
	if k, ok := s.cluster.(*kube); ok {
		var service struct{ Spec struct{ ClusterIP string } }
		k.do(s.T, http.MethodGet, k.at("/api/v1 services/%s", name), nil, &service)
		return []string{service.Spec.ClusterIP + ":8080"}
	}
	registrations, _, err := s.cluster.(*nomad).client.Services().Get(name, s.cluster.(*nomad).query)
	require.NoError(s, err)
	var all []string
	for _, r := range registrations {
		all = append(all, fmt.Sprintf("%s:%d", r.Address, r.Port))
	}
	return all
}

// follows waits until the leader's service reaches a replica, and tells after how long.
func (s *stage) follows(name string, begun time.Time) time.Duration {
	s.Helper()
	eventually(s.T, 20*time.Second, func() bool {
		reached := 0
		for _, address := range s.reached("writer-one") {
			is, ok := hear(address)
			if ok && is.Name != name {
				return false
			}
			if ok { // Nomad lists one that is frozen, too
				reached++
			}
		}
		return reached > 0
	}, "the service reaches %s", name)
	return time.Since(begun)
}

// signal both containers of a replica.
func (s *stage) signalGroup(r replica, what syscall.Signal) {
	s.Helper()
	for _, container := range []string{"elector", "main"} {
		pids := s.pids(s.T, r, container)
		require.NotEmpty(s, pids)
		for _, pid := range pids {
			_ = syscall.Kill(pid, what) // it may have ended with another one
		}
	}
}

// tells requires that the data source names the leader.
func (s *stage) tells(name string) {
	s.Helper()
	reader := newWorkspace(s.T, "terraform")
	reader.write(s.providerOfThisRun(), object{
		"data":   object{"pattern_leaders": object{"writer": object{"name": "writer"}}},
		"output": object{"leader": object{"value": "${data.pattern_leaders.writer.leaders[\"one\"].member}"}, "members": object{"value": "${join(\",\", data.pattern_leaders.writer.members)}"}},
	})
	reader.apply()
	assert.Equal(s, name, strings.TrimSpace(string(reader.raw("output", "-raw", "leader"))))
	assert.Contains(s, string(reader.raw("output", "-raw", "members")), name)
}

// handsOver by the action, to one by its name and to whoever takes it, and is refused what cannot be.
func (s *stage) handsOver(l *ledger) {
	s.Helper()
	_, name := s.leader(10 * time.Second)
	var names []string
	eventually(s.T, 30*time.Second, func() bool {
		names = nil
		for _, r := range s.replicas(s.T, "writer") {
			if is, ok := hear(r.Address); ok {
				names = append(names, is.Name)
			}
		}
		return len(names) == 3
	}, "all of them run again")
	heir := names[(slices.Index(names, name)+1)%3]
	of := object{"of": "writer", "election": "one", "to": heir}

	begun := time.Now()
	progress, wrong := s.invoke("pattern_hand_over", of)
	require.Empty(s, wrong)
	assert.Contains(s, strings.Join(progress, "\n"), heir+" leads one now, with the token ")
	_, now := s.leader(10 * time.Second)
	assert.Equal(s, heir, now)
	eventually(s.T, 10*time.Second, func() bool { e, ok := l.last(begun); return ok && e.by == heir }, "%s writes", heir)
	gap, _ := l.gap(begun)
	s.Logf("handed over: nobody wrote for %s", gap.Round(time.Millisecond))
	assert.Less(s, gap, fastLease, "nobody had to wait for a lease")

	progress, wrong = s.invoke("pattern_hand_over", of)
	require.Empty(s, wrong)
	assert.Contains(s, strings.Join(progress, "\n"), heir+" leads one already")

	_, wrong = s.invoke("pattern_hand_over", object{"of": "writer", "election": "one"})
	require.Empty(s, wrong)
	_, now = s.leader(10 * time.Second)
	assert.NotEqual(s, heir, now)

	for _, c := range []struct{ at, to, says string }{
		{"of", "ledger", `there is no instance "ledger"`}, {"election", "two", "It has: one."}, {"to", "nobody", "These do: "}, {"timeout", "soon", "must be a duration"},
	} {
		_, wrong := s.invoke("pattern_hand_over", with(of, object{c.at: c.to}))
		if assert.Len(s, wrong, 1, c.at) {
			assert.Equal(s, `AttributeName("`+c.at+`")`, wrong[0].Attribute.String())
			assert.Contains(s, wrong[0].Detail, c.says)
		}
	}
}

func TestLeaderElection(t *testing.T) {
	for _, backend := range []string{"engine", "raft"} {
		t.Run(backend, func(t *testing.T) {
			on(t, func(s *stage) {
				l := newLedger(s.T)
				w := writer(s.T, backend, l.url)
				apply := func() {
					s.write(s.providerOfThisRun(), object{"resource": object{"pattern_leader_election": object{"writer": w}}})
					s.apply()
				}
				apply()
				s.unchanged("after the first apply")
				first, name := s.leader(30 * time.Second)
				s.follows(name, time.Now())
				require.Contains(s, s.instance("writer")["endpoints"], "one.http")
				s.must("apply", "-refresh-only", "-auto-approve", "-input=false")
				require.Contains(s, s.instance("writer")["endpoints"], "one.http")
				if host, _, err := net.SplitHostPort(first.Address); assert.NoError(s, err) {
					_, err := net.DialTimeout("tcp", net.JoinHostPort(host, "4040"), 2*time.Second)
					assert.Error(s, err, "the API is for the group's own containers")
				}
				eventually(s.T, 10*time.Second, func() bool { e, _ := l.last(time.Time{}); return e.by == name }, "%s writes", name)

				// next waits for another one's writes.
				next := func(what string, begun time.Time, but string) {
					s.Helper()
					var e entry
					eventually(s.T, 30*time.Second, func() (ok bool) {
						e, ok = l.last(begun)
						return ok && e.by != but
					}, "%s: another one writes", what)
					s.Logf("%s: %s writes after %s; the service follows after %s", what, e.by, e.at.Sub(begun).Round(time.Millisecond), s.follows(e.by, begun).Round(time.Millisecond))
				}
				begun := time.Now()
				s.signalGroup(first, syscall.SIGSTOP)
				next("frozen", begun, name)
				s.signalGroup(first, syscall.SIGCONT)

				second, name := s.leader(10 * time.Second)
				begun = time.Now()
				s.signalGroup(second, syscall.SIGKILL)
				eventually(s.T, 30*time.Second, func() bool { e, ok := l.last(begun.Add(fastLease)); return ok && e.token > 0 }, "one writes again")
				gap, _ := l.gap(begun)
				s.Logf("killed: nobody wrote for %s", gap.Round(time.Millisecond))
				_, name = s.leader(10 * time.Second)
				s.follows(name, begun)
				s.tells(name)

				<-time.After(fastLease) // let all that was killed be there again
				s.handsOver(l)

				// A new revision: whoever leads hands over before it ends.
				begun = time.Now()
				v := visit(s.T, "http://"+s.reached("writer-one")[0]+"/")
				w["main"].(object)["env"].(object)["REVISION"] = "2"
				apply()
				gap, writers := l.gap(begun)
				_, failed := v.stop()
				s.Logf("a new revision: %d of them wrote, and nobody for %s at most; %d requests to the leader's service failed", writers, gap.Round(time.Millisecond), failed)
				assert.Less(s, gap, fastLease, "nobody had to wait for a lease")
				if s.name() == "kubernetes" { // on Nomad it is the address of a replica that has been replaced
					assert.LessOrEqual(s, failed, 3, "only what was under way when a leader was followed by another")
				}
				last, name := s.leader(30 * time.Second)
				is, _ := hear(last.Address)
				assert.Equal(s, "2", is.Revision)
				s.follows(name, time.Now())
				s.unchanged("after a new revision")

				before := uint64(0)
				for _, e := range l.all() {
					require.GreaterOrEqual(s, e.token, before)
					before = e.token
				}
				s.destroy()
				s.gone("writer")

				// Made anew, it goes on with greater tokens.
				begun = time.Now()
				apply()
				eventually(s.T, 20*time.Second, func() bool { e, ok := l.last(begun); return ok && e.token > before }, "the resource takes writes again")
				s.destroy()
				s.gone("writer")
			})
		})
	}
}

// fastLease is that of the profile "fast".
const fastLease = 2 * time.Second

// The guide as it stands there.
func TestTheGuideOfElections(t *testing.T) {
	image := must(t, "TEST_SEARCH_LEAF_IMAGE") // any with Python
	on(t, func(s *stage) {
		s.example("guides/first-election", map[string]string{
			"engine": s.name(), "image": image, "images_repository": must(s.T, "PATTERN_IMAGES_REPOSITORY"), "images_tag": must(s.T, "PATTERN_IMAGES_TAG"),
		})
		leads := func(version string) {
			s.Helper()
			eventually(s.T, 30*time.Second, func() bool {
				var is struct {
					Version string
					Leads   bool `json:"i_lead"`
					Token   uint64
				}
				for _, address := range s.reached("first-writer") {
					response, err := http.Get("http://" + address + "/")
					if err != nil {
						return false
					}
					err = json.NewDecoder(response.Body).Decode(&is)
					response.Body.Close()
					if err != nil || !is.Leads || is.Version != version || is.Token == 0 {
						return false
					}
				}
				return true
			}, "whoever is reached leads, in version %s", version)
		}
		s.apply()
		s.unchanged("after the first apply")
		leads("1")
		s.setenv("TF_VAR_app_version", "2")
		s.apply()
		leads("2")
		s.destroy()
		s.gone("first")
	})
}
