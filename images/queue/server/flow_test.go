package server

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/config"
)

func TestOutputsGoWhereStagesTakeThemFrom(t *testing.T) {
	r := newRig(t, stages(map[string]config.Stage{
		"left": {}, "right": {}, "join": {From: []string{"left", "right"}}, "end": {From: []string{"join"}}, "log": {From: []string{"join"}},
	}))
	r.push(api.NewItem{Name: "a/b", Text: "x", Priority: new(7)})
	for _, stage := range []string{"left", "right"} {
		l := r.receive(stage, 10, "")
		require.Len(t, l, 1, "what is pushed goes to all stages that the source feeds")
		assert.Equal(t, "a/b", l[0].Name)
		assert.Equal(t, []*api.Error{nil}, r.ack(api.Ack{Lease: l[0].Lease, Outputs: []api.Output{{Name: "a/b", Data: []byte(stage)}}}))
	}
	for _, l := range r.receive("join", 10, "") {
		assert.Contains(t, []string{"left/a/b", "right/a/b"}, l.Name, "names say where items are from, where there are several")
		assert.Equal(t, 7, r.item("join", l.Name).Priority, "the priority is that of the input")
		r.ack(api.Ack{Lease: l.Lease, Outputs: []api.Output{{Name: l.Name, Data: l.Data}}})
	}
	for _, stage := range []string{"end", "log"} {
		all := r.receive(stage, 10, "")
		require.Len(t, all, 2)
		for _, l := range all {
			r.ack(api.Ack{Lease: l.Lease, Outputs: []api.Output{{Name: l.Name, Data: l.Data}}})
		}
	}
	var out api.OutputsAnswer
	r.must("GET", "/v1/outputs", clientToken, nil, &out)
	names := []string{}
	for _, o := range out.Outputs {
		names = append(names, o.Name)
		assert.Equal(t, strings.Split(o.Name, "/")[1], r.ask("GET", "/v1/outputs/"+o.Name, clientToken, nil).body)
	}
	assert.ElementsMatch(t, []string{"end/left/a/b", "end/right/a/b", "log/left/a/b", "log/right/a/b"}, names)
	d := r.item("join", "left/a/b")
	assert.Equal(t, &api.Reference{Stage: "left", Name: "a/b", State: api.Done}, d.Input)
	assert.Len(t, d.Outputs, 2)
}

func TestOnlyTheNewestLeaseCounts(t *testing.T) {
	c := one()
	c.Stages["work"] = config.Stage{Visibility: config.Duration(time.Second), Backoff: config.Backoff{Min: config.Duration(time.Millisecond), Max: config.Duration(time.Millisecond)}}
	r := newRig(t, c)
	r.push(api.NewItem{Name: "a", Text: "x"}, api.NewItem{Name: "b", Text: "x"})
	old := r.receive("work", 1, "")
	require.Len(t, old, 1)
	var newest []api.Lease
	require.Eventually(t, func() bool {
		for _, l := range r.receive("work", 2, "") {
			if l.Name == old[0].Name {
				newest = append(newest, l)
			}
		}
		return len(newest) > 0
	}, soon, 20*time.Millisecond, "a lease that nobody extends ends")
	assert.Equal(t, 2, newest[0].Attempt)
	lost := r.ack(api.Ack{Lease: old[0].Lease, Outputs: []api.Output{{Name: "zombie"}}}, api.Ack{Lease: "nonsense"}, api.Ack{Lease: newest[0].Lease, Outputs: []api.Output{{Name: "out"}}})
	require.NotNil(t, lost[0])
	assert.Equal(t, "lease_lost", lost[0].Code)
	assert.Equal(t, "invalid", lost[1].Code)
	assert.Nil(t, lost[2])
	assert.Equal(t, 404, r.ask("GET", "/v1/outputs/zombie", clientToken, nil).status)
	assert.Equal(t, 200, r.ask("GET", "/v1/outputs/out", clientToken, nil).status)
	var extended api.ResultsAnswer
	r.must("POST", "/v1/leases/extend", workerToken, api.ExtendRequest{Leases: []string{newest[0].Lease, "work.1.1", "w\x00rk.1.1.1.1"}}, &extended)
	assert.Equal(t, []string{"lease_lost", "invalid", "invalid"}, []string{extended.Results[0].Code, extended.Results[1].Code, extended.Results[2].Code})
}

func TestALeaseThatIsExtendedStays(t *testing.T) {
	c := one()
	c.Stages["work"] = config.Stage{Visibility: config.Duration(time.Second)}
	r := newRig(t, c)
	r.push(api.NewItem{Name: "a"})
	l := r.receive("work", 1, "")[0]
	end := time.Now().Add(2500 * time.Millisecond)
	require.Eventually(t, func() bool {
		var out api.ResultsAnswer
		r.must("POST", "/v1/leases/extend", workerToken, api.ExtendRequest{Leases: []string{l.Lease}}, &out)
		assert.Nil(t, out.Results[0])
		assert.Empty(t, r.receive("work", 1, ""))
		return time.Now().After(end)
	}, soon, 200*time.Millisecond)
	assert.Nil(t, r.ack(api.Ack{Lease: l.Lease})[0])
}

func TestNamesOfOutputsAreTakenOnce(t *testing.T) {
	r := newRig(t, one())
	r.push(api.NewItem{Name: "a"}, api.NewItem{Name: "b"}, api.NewItem{Name: "c"}, api.NewItem{Name: "d"})
	l := r.receive("work", 4, "")
	out := func(names ...string) (o []api.Output) {
		for _, n := range names {
			o = append(o, api.Output{Name: n, Data: []byte("x")})
		}
		return o
	}
	got := r.ack(
		api.Ack{Lease: l[0].Lease, Outputs: out("same")}, api.Ack{Lease: l[1].Lease, Outputs: out("same")},
		api.Ack{Lease: l[2].Lease, Outputs: out("twice", "twice")}, api.Ack{Lease: l[3].Lease, Outputs: out("../up")})
	assert.Nil(t, got[0])
	assert.Equal(t, "name_taken", got[1].Code)
	assert.Equal(t, "name_taken", got[2].Code)
	assert.Equal(t, "invalid", got[3].Code)
	for i, state := range []api.State{api.Done, api.InFlight, api.InFlight, api.InFlight} {
		assert.Equal(t, state, r.item("work", l[i].Name).State, "an entry that fails changes nothing")
	}
	assert.Equal(t, 404, r.ask("GET", "/v1/outputs/twice", clientToken, nil).status)
}

func TestWhatFailsTooOftenIsADeadLetterUntilItIsRedriven(t *testing.T) {
	c := one()
	c.Stages["work"] = config.Stage{MaxAttempts: 2, Backoff: config.Backoff{Min: config.Duration(time.Millisecond), Max: config.Duration(2 * time.Millisecond)}}
	r := newRig(t, c)
	r.push(api.NewItem{Name: "a"}, api.NewItem{Name: "b"})
	code := 3
	for attempt := 1; attempt <= 2; attempt++ {
		for got := 0; got < 2; {
			for _, l := range r.receive("work", 2, "5s") {
				assert.Equal(t, attempt, l.Attempt)
				assert.Nil(t, r.nack(api.Nack{Lease: l.Lease, Failure: api.Failure{Reason: "exit\x00code 3", ExitCode: &code, ErrorTail: strings.Repeat("é", 4096) + "\x00end", Worker: "w"}})[0])
				got++
			}
		}
	}
	d := r.item("work", "a")
	assert.Equal(t, api.Dead, d.State)
	assert.Equal(t, "exit\uFFFDcode 3", d.Failure.Reason)
	assert.Equal(t, 3, *d.Failure.ExitCode)
	assert.True(t, strings.HasSuffix(d.Failure.ErrorTail, "é\uFFFDend"), "the end is what is kept")
	assert.LessOrEqual(t, len(d.Failure.ErrorTail), api.ErrorTailBytes+3)
	var n api.CountAnswer
	r.must("POST", "/v1/stages/work/redrive", clientToken, api.SelectRequest{Names: []string{"a", "none"}}, &n)
	assert.Equal(t, 1, n.Count)
	l := r.receive("work", 5, "5s")
	require.Len(t, l, 1)
	assert.Equal(t, 1, l[0].Attempt, "it has all its attempts again")
	r.must("POST", "/v1/stages/work/redrive", clientToken, api.SelectRequest{All: true}, &n)
	assert.Equal(t, 1, n.Count)
	p := r.receive("work", 5, "5s")
	require.Len(t, p, 1)
	assert.Nil(t, r.nack(api.Nack{Lease: p[0].Lease, Permanent: true, Failure: api.Failure{Reason: "never"}})[0])
	assert.Equal(t, api.Dead, r.item("work", "b").State, "for good, whatever attempts are left")
	r.must("POST", "/v1/stages/work/purge", clientToken, api.SelectRequest{State: api.Dead}, &n)
	assert.Equal(t, 1, n.Count)
	assert.Nil(t, r.nack(api.Nack{Lease: l[0].Lease, Release: true})[0])
	l = r.receive("work", 5, "5s")
	require.Len(t, l, 1)
	assert.Equal(t, 1, l[0].Attempt, "an attempt that was released does not count")
	assert.Equal(t, "invalid", r.nack(api.Nack{Lease: l[0].Lease, Delay: "x"})[0].Code)
	assert.Nil(t, r.nack(api.Nack{Lease: l[0].Lease, Delay: "1h"})[0])
	assert.Equal(t, api.Delayed, r.item("work", "a").State)
	assert.WithinDuration(t, time.Now().Add(time.Hour), *r.item("work", "a").Due, time.Minute)
}

func TestBackoffDoublesUpToItsBoundAndHalfOfItIsChance(t *testing.T) {
	b := config.Backoff{Min: config.Duration(time.Second), Max: config.Duration(10 * time.Second)}
	for attempt, most := range map[int]time.Duration{-1: time.Second, 0: time.Second, 1: time.Second, 2: 2 * time.Second, 3: 4 * time.Second, 4: 8 * time.Second, 5: 10 * time.Second, 63: 10 * time.Second, 1 << 30: 10 * time.Second} {
		seen := map[time.Duration]bool{}
		for range 200 {
			d := backoff(b, attempt)
			assert.GreaterOrEqual(t, d, most/2)
			assert.LessOrEqual(t, d, most)
			seen[d] = true
		}
		assert.Greater(t, len(seen), 100, "chance")
	}
	assert.Equal(t, time.Duration(0), backoff(config.Backoff{}, 3))
	assert.LessOrEqual(t, backoff(config.Backoff{Min: 1 << 62, Max: 1<<63 - 1}, 5), time.Duration(1<<63-1))
}

func TestTheOrderIsByPriorityThenAge(t *testing.T) {
	r := newRig(t, one())
	r.push(api.NewItem{Name: "first"}, api.NewItem{Name: "least", Priority: new(0)}, api.NewItem{Name: "second"}, api.NewItem{Name: "most", Priority: new(9)})
	var names []string
	for _, l := range r.receive("work", 10, "") {
		names = append(names, l.Name)
	}
	assert.Equal(t, []string{"most", "first", "second", "least"}, names)
}

func TestAGroupIsWorkedOnInOrderOneAtATime(t *testing.T) {
	r := newRig(t, one())
	r.push(api.NewItem{Name: "1", Group: "g"}, api.NewItem{Name: "2", Group: "g"}, api.NewItem{Name: "3", Group: "g"}, api.NewItem{Name: "other"})
	l := r.receive("work", 10, "")
	require.Len(t, l, 2)
	assert.Equal(t, []string{"1", "other"}, []string{l[0].Name, l[1].Name})
	assert.Equal(t, api.Blocked, r.item("work", "2").State)
	for n := 2; n <= 3; n++ {
		got := make(chan []api.Lease, 1)
		go func() { got <- r.receive("work", 10, "20s") }()
		r.ack(api.Ack{Lease: l[0].Lease})
		l = <-got
		require.Len(t, l, 1, "the end of one lets the next be received")
		assert.Equal(t, fmt.Sprint(n), l[0].Name)
	}
}

func TestDelaysAndDeduplication(t *testing.T) {
	c := one()
	c.DeduplicationWindow = config.Duration(time.Second)
	r := newRig(t, c)
	out := r.push(api.NewItem{Name: "a", DeduplicationID: "d"}, api.NewItem{Name: "b", DeduplicationID: "d"}, api.NewItem{Name: "a"}, api.NewItem{})
	assert.Equal(t, []bool{false, true, true, false}, []bool{out[0].Duplicate, out[1].Duplicate, out[2].Duplicate, out[3].Duplicate})
	assert.NotEmpty(t, out[3].Name)
	require.Eventually(t, func() bool { return !r.push(api.NewItem{Name: "c", DeduplicationID: "d"})[0].Duplicate }, soon, 100*time.Millisecond, "the window ends")
	assert.Len(t, r.receive("work", 10, ""), 3)
	begun := time.Now()
	r.push(api.NewItem{Name: "late", Delay: "700ms"})
	l := r.receive("work", 10, "10s")
	require.Len(t, l, 1)
	assert.InDelta(t, 0.7, time.Since(begun).Seconds(), 0.4)
}

func TestLargeContentsAreUploadedAndStreamed(t *testing.T) {
	r := newRig(t, one())
	large := strings.Repeat("0123456789", 20000)
	assert.Equal(t, 200, r.ask("PUT", "/v1/items/put", clientToken, strings.NewReader(large)).status)
	var up api.PayloadAnswer
	r.must("POST", "/v1/payloads", workerToken, strings.NewReader(large), &up)
	assert.Equal(t, int64(len(large)), up.Size)
	assert.Nil(t, r.push(api.NewItem{Name: "ref", Payload: up.Payload}, api.NewItem{Name: "json", Text: large})[0].Error)
	leases := r.receive("work", 3, "")
	require.Len(t, leases, 3)
	for _, l := range leases {
		require.NotEmpty(t, l.Payload)
		a := r.ask("GET", "/v1/payloads/"+l.Payload, workerToken, nil)
		assert.Equal(t, large, a.body)
		assert.Equal(t, fmt.Sprint(len(large)), a.header.Get("Content-Length"))
		assert.Equal(t, "nosniff", a.header.Get("X-Content-Type-Options"))
	}
	assert.Nil(t, r.ack(api.Ack{Lease: leases[0].Lease, Outputs: []api.Output{{Name: "out", Payload: up.Payload}}})[0])
	assert.Equal(t, large, r.ask("GET", "/v1/outputs/out", clientToken, nil).body)
}
