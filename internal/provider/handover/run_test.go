package handover

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/internal/engine"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/elections"
	"github.com/container-patterns/terraform-provider-pattern/internal/topology"
)

// fakes are the electors of an instance, by what they are called.
type fakes struct {
	names  []string
	leader string
	term   uint64
	// hung ones do not answer; of stale ones each believes that another leads; unready ones cannot lead; old ones do not know the commands.
	hung, unready, old []string
	stale              map[string]string
	denied             error
	asked              []string
	// dead: those that are not ready seem to be.
	dead bool
	// mute: the answers of so many commands are lost.
	mute int
}

func (e *fakes) Replicas(_ context.Context, _ *topology.Topology, group, container string) (all []engine.Replica, err error) {
	if group != "main" || container != elections.ContainerName {
		return nil, engine.ErrNotFound
	}
	for _, n := range e.names {
		all = append(all, engine.Replica{Name: n, ID: "id of " + n})
	}
	return all, nil
}

func (e *fakes) Exec(ctx context.Context, t *topology.Topology, r engine.Replica, container string, command ...string) (*engine.Ran, error) {
	ran, err := e.exec(ctx, t, r, container, command...)
	if err == nil && e.mute > 0 && (command[1] != "leaders" || e.mute > 1) {
		e.mute--
		return &engine.Ran{Status: ran.Status}, nil
	}
	return ran, err
}

func (e *fakes) exec(ctx context.Context, _ *topology.Topology, r engine.Replica, _ string, command ...string) (*engine.Ran, error) {
	e.asked = append(e.asked, r.Name+" "+command[1])
	switch {
	case e.denied != nil:
		return nil, e.denied
	case slices.Contains(e.hung, r.Name):
		<-ctx.Done()
		return nil, ctx.Err()
	case slices.Contains(e.old, r.Name):
		return &engine.Ran{Stderr: []byte("elector: unexpected argument"), Status: 2}, nil
	}
	is := elections.Known{Name: "one", Leader: e.leader, Term: e.term, Self: r.Name == e.leader}
	if other := e.stale[r.Name]; other != "" {
		is.Leader = other
	}
	if command[1] == "leaders" {
		return answer(0, map[string]elections.Known{"one": is})
	}
	to := ""
	if command[2] == "-to" {
		to = command[3]
	}
	out := elections.HandedOver{Outcome: elections.Elsewhere, From: e.leader, Election: is}
	if to == is.Leader {
		out.Outcome = elections.Done
		return answer(0, out)
	}
	if !is.Self {
		return answer(1, out)
	}
	unready := slices.Contains(e.unready, to)
	if to == "" && !e.dead {
		unready = !slices.ContainsFunc(e.names, func(n string) bool { return n != e.leader && !slices.Contains(e.unready, n) })
	}
	if unready {
		out.Outcome = elections.Unready
		return answer(1, out)
	}
	for _, n := range e.names {
		if n != e.leader && !slices.Contains(e.unready, n) && (to == "" || to == n) {
			e.leader, e.term = n, e.term+1
			out.Outcome, out.Election.Leader, out.Election.Term = elections.Done, e.leader, e.term
			return answer(0, out)
		}
	}
	out.Outcome = elections.Unfollowed
	return answer(1, out)
}

func answer(status int, v any) (*engine.Ran, error) {
	raw, err := json.Marshal(v)
	return &engine.Ran{Stdout: raw, Status: status}, err
}

func TestHandOver(t *testing.T) {
	three := []string{"web-0", "web-1", "web-2"}
	for _, c := range []struct {
		name string
		of   fakes
		to   string
		// leader in the end; or what is wrong, and with which attribute.
		leader, at, says string
	}{
		{"to whoever takes it", fakes{names: three, leader: "web-1"}, "", "web-0", "", "web-0 leads one now, with the token 8"},
		{"to one by its name", fakes{names: three, leader: "web-1"}, "web-2", "web-2", "", "asked to hand over to web-2"},
		{"to the one that leads", fakes{names: three, leader: "web-1"}, "web-1", "web-1", "", "web-1 leads one already, with the token 7"},
		{"past one that is frozen", fakes{names: three, leader: "web-1", hung: []string{"web-0"}}, "web-2", "web-2", "", ""},
		{"past one that knows nothing new", fakes{names: three, leader: "web-1", stale: map[string]string{"web-0": "web-2"}}, "web-2", "web-2", "", ""},
		{"past one that names a leader that is gone", fakes{names: three, leader: "web-1", stale: map[string]string{"web-0": "web-9"}}, "web-2", "web-2", "", "trying again"},
		{"to one that there is not", fakes{names: three, leader: "web-1"}, "web-7", "web-1", "to", "These do: web-0, web-1, web-2"},
		{"to one that is not ready", fakes{names: three, leader: "web-1", unready: []string{"web-2"}}, "web-2", "web-1", "to", "web-2 is not ready to lead"},
		{"where no other is ready", fakes{names: three, leader: "web-1", unready: []string{"web-0", "web-2"}}, "", "web-1", "election", "nobody is ready to lead"},
		{"where no other is ready but seems to be", fakes{names: three, leader: "web-1", unready: []string{"web-0", "web-2"}, dead: true}, "", "web-1", "election", "it leads again"},
		{"of which the answer is lost", fakes{names: three, leader: "web-1", mute: 1}, "", "web-0", "", "web-0 leads one now, with the token 8"},
		{"of which answers are lost, also who leads", fakes{names: three, leader: "web-1", mute: 3}, "", "web-0", "", "web-0 leads one now, with the token 8"},
		{"of which it is lost that nobody else is ready", fakes{names: three, leader: "web-1", mute: 1, unready: []string{"web-0", "web-2"}}, "", "web-1", "election", "nobody is ready to lead"},
		{"where nobody leads", fakes{names: three}, "", "", "election", "nobody leads"},
		{"where there is no other", fakes{names: three[:1], leader: "web-0"}, "", "web-0", "of", "only web-0 runs"},
		{"where none runs", fakes{}, "", "", "of", "no elector"},
		{"where the leader is frozen", fakes{names: three, leader: "web-1", hung: []string{"web-1"}}, "", "web-1", "", "the elector of web-1 has not answered in time"},
		{"of electors that are too old", fakes{names: three, leader: "web-1", old: three}, "", "web-1", "", "earlier version"},
		{"without the right", fakes{names: three, leader: "web-1", denied: &engine.NotPermittedError{Right: "exec", Err: errors.New("no")}}, "", "web-1", "", "lack a right: exec"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.of.term = 7
			var told string
			h := &handing{
				engine: &c.of, key: topology.Key{Name: "web"}, election: "one", to: c.to, most: time.Second, within: 100 * time.Millisecond,
				tell: func(text string) { told += text + "\n" }, topology: &topology.Topology{}, place: elections.Place{Group: "main", Election: "one"},
			}
			ctx, cancel := context.WithTimeout(t.Context(), h.most)
			defer cancel()
			err := h.run(ctx)
			assert.Equal(t, c.leader, c.of.leader)
			if c.at == "" && c.of.leader != c.leader || err == nil {
				require.NoError(t, err)
				assert.Contains(t, told, c.says)
				return
			}
			require.ErrorContains(t, err, c.says)
			var wrong *fault
			if errors.As(err, &wrong) || c.at != "" {
				require.NotNil(t, wrong, "%v", err)
				assert.Equal(t, c.at, wrong.at)
			}
		})
	}
}
