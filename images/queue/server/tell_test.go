package server

import (
	"bufio"
	"context"
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/config"
)

func TestDrainedIsSaidWhenAllIsReadDoneAndExported(t *testing.T) {
	for _, c := range []struct {
		name         string
		finite, read bool
		state        api.State
		pending      int64
		drained      bool
	}{
		{"nothing is left", true, true, "", 0, true},
		{"all is done", true, true, api.Done, 0, true},
		{"dead letters are no work", true, true, api.Dead, 0, true},
		{"the source goes on for ever", false, true, "", 0, false},
		{"the source is not read to its end", true, false, "", 0, false},
		{"something waits", true, true, api.Waiting, 0, false},
		{"something is delayed", true, true, api.Delayed, 0, false},
		{"something is blocked", true, true, api.Blocked, 0, false},
		{"something is in flight", true, true, api.InFlight, 0, false},
		{"something is not exported", true, true, api.Done, 1, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, one(), func(r *rig) {
				r.source = func(context.Context) (api.SourceStatus, error) {
					return api.SourceStatus{Finite: c.finite, Read: c.read}, nil
				}
				r.sink = func(context.Context) (*api.SinkStatus, error) { return &api.SinkStatus{Pending: c.pending}, nil }
			})
			switch c.state {
			case "":
			case api.Delayed:
				r.push(api.NewItem{Name: "a", Delay: "1h"})
			case api.Blocked:
				r.push(api.NewItem{Name: "first", Group: "g", Delay: "1h"}, api.NewItem{Name: "a", Group: "g"})
			default:
				r.push(api.NewItem{Name: "a"})
			}
			switch c.state {
			case api.InFlight, api.Done, api.Dead:
				l := r.receive("work", 1, "5s")[0].Lease
				if c.state == api.Done {
					require.Nil(t, r.ack(api.Ack{Lease: l})[0])
				}
				if c.state == api.Dead {
					require.Nil(t, r.nack(api.Nack{Lease: l, Permanent: true})[0])
				}
			}
			if c.state != "" {
				require.Equal(t, c.state, r.item("work", "a").State)
			}
			assert.Equal(t, c.drained, r.status().Drained)
		})
	}
}

func TestASourceThatEndsWhileItIsAskedIsNotTakenForDrained(t *testing.T) {
	var asking atomic.Bool
	r := newRig(t, one(), func(made *rig) {
		made.source = func(context.Context) (api.SourceStatus, error) {
			if !asking.Load() {
				return api.SourceStatus{Finite: true}, nil
			}
			made.push(api.NewItem{Name: "last"}) // the source's last item, just before it says that it is read
			return api.SourceStatus{Finite: true, Read: true}, nil
		}
	})
	asking.Store(true)
	assert.False(t, r.status().Drained)
}

func TestProgressIsInTheLog(t *testing.T) {
	c := one()
	c.Report = config.Duration(100 * time.Millisecond)
	r := newRig(t, c, func(r *rig) {
		r.source = func(context.Context) (api.SourceStatus, error) {
			return api.SourceStatus{Finite: true, Read: true, Error: "the bucket is away"}, nil
		}
	})
	r.push(api.NewItem{Name: "good"}, api.NewItem{Name: "bad"})
	l := r.receive("work", 2, "")
	require.Nil(t, r.ack(api.Ack{Lease: l[0].Lease, Outputs: []api.Output{{Name: "out"}}})[0])
	require.Nil(t, r.nack(api.Nack{Lease: l[1].Lease, Permanent: true, Failure: api.Failure{Reason: "exit code 1", ErrorTail: "first\nlast line\n"}})[0])
	var last api.Report
	reports := func() (n int) {
		lines := bufio.NewScanner(strings.NewReader(r.log.String()))
		for lines.Scan() {
			var line struct {
				Msg    string      `json:"msg"`
				Report *api.Report `json:"report"`
			}
			if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "progress" {
				last = *line.Report
				n++
			}
		}
		return n
	}
	require.Eventually(t, func() bool { reports(); return last.Drained && len(last.Dead) > 0 }, soon, 20*time.Millisecond)
	assert.Equal(t, map[string]map[api.State]int64{"work": {api.Done: 1, api.Dead: 1}}, last.Counts)
	assert.EqualValues(t, 1, last.Outputs)
	assert.Equal(t, []string{"work bad: exit code 1: last line"}, last.Dead)
	assert.Equal(t, []string{"source: the bucket is away"}, last.Errors)
	was := reports()
	assert.Never(t, func() bool { return reports() > was }, time.Second, 50*time.Millisecond, "what has not changed is not said again soon")
}

func TestTheHistoryIsInSteps(t *testing.T) {
	r := newRig(t, one())
	var h api.History
	r.must("GET", "/v1/history", clientToken, nil, &h)
	assert.Equal(t, 10, h.StepSeconds)
	require.Len(t, h.Stages, 1)

	p := &past{}
	at := time.Unix(1000, 0)
	for n := range int64(4000) {
		p.add(at.Add(time.Duration(n)*time.Second), []string{"work"}, func(string) counters { return counters{depth: n, done: 2 * n, dead: n / 100} })
	}
	s := p.stages["work"]
	assert.Len(t, s.depth, steps, "an hour and no more")
	assert.Len(t, s.done, steps)
	assert.InDelta(t, 2, s.done[steps-1], 1e-9)
	assert.InDelta(t, 2, p.perSecond("work"), 1e-9)
	assert.EqualValues(t, 3990, s.depth[steps-1])
	p.add(at.Add(4001*time.Second), nil, nil)
	assert.Zero(t, p.perSecond("work"), "a stage that is gone is forgotten")
}
