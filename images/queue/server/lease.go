package server

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/config"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
)

// A lease as its token says it: "STAGE.ID.EPOCH.PRIORITY.ATTEMPT". The stage decides where outputs go, which have the
// input's priority; only ID and epoch decide whether the lease holds.
type lease struct {
	store.Lease
	stage    string
	priority int
	attempt  int
}

func leaseToken(i *store.Item) string {
	b := make([]byte, 0, 64)
	b = append(b, i.Stage...)
	for _, n := range []int64{i.ID, i.Epoch, int64(i.Priority), int64(i.Attempt)} {
		b = strconv.AppendInt(append(b, '.'), n, 10)
	}
	return string(b)
}

func parseLease(token string) (l lease, err error) {
	parts := strings.SplitN(token, ".", 6)
	numbers := [4]int64{}
	if len(token) > 256 || len(parts) != 1+len(numbers) || !config.IsStageName(parts[0]) {
		return l, invalid(fmt.Sprintf("lease: %.64q is not one that was given", token))
	}
	for i := range numbers {
		if numbers[i], err = strconv.ParseInt(parts[i+1], 10, 64); err != nil || numbers[i] < 0 {
			return l, invalid(fmt.Sprintf("lease: %.64q is not one that was given", token))
		}
	}
	return lease{Lease: store.Lease{ID: numbers[0], Epoch: numbers[1]}, stage: parts[0], priority: int(min(numbers[2], api.MaxPriority)), attempt: int(numbers[3])}, nil
}

// extend leases: POST /v1/leases/extend.
func (s *Server) extend(r *request) error {
	var in api.ExtendRequest
	if err := s.decode(r, &in); err != nil {
		return err
	}
	if err := s.batch(len(in.Leases)); err != nil {
		return err
	}
	out := api.ResultsAnswer{Results: make([]*api.Error, len(in.Leases))}
	stages := map[string][]int{} // a worker has one
	leases := make([]lease, len(in.Leases))
	for i, token := range in.Leases {
		l, err := parseLease(token)
		if err != nil {
			out.Results[i] = asError(err)
			continue
		}
		leases[i] = l
		stages[l.stage] = append(stages[l.stage], i)
	}
	for stage, entries := range stages {
		some := make([]store.Lease, len(entries))
		for n, i := range entries {
			some[n] = leases[i].Lease
		}
		results, err := s.o.Store.Extend(r.Context(), some, s.o.Now().Add(s.stage(stage).Visibility.Std()))
		if err != nil {
			return err
		}
		for n, i := range entries {
			out.Results[i] = asError(results[n])
		}
	}
	return r.answer(out)
}

// ack items, with what was made of them: POST /v1/leases/ack.
func (s *Server) ack(r *request) error {
	begun := time.Now()
	var in api.AckRequest
	if err := s.decode(r, &in); err != nil {
		return err
	}
	if err := s.batch(len(in.Items)); err != nil {
		return err
	}
	c := s.plan.Load()
	out := api.ResultsAnswer{Results: make([]*api.Error, len(in.Items))}
	commits := make([]store.Commit, 0, len(in.Items))
	of := make([]int, 0, len(in.Items))
	leases := make([]lease, 0, len(in.Items))
	for i := range in.Items {
		l, err := parseLease(in.Items[i].Lease)
		var commit store.Commit
		if err == nil {
			commit, err = s.commit(r, c, l, in.Items[i].Outputs)
		}
		if err != nil {
			if p := problemOf(err); p.status >= 500 {
				return err
			}
			out.Results[i] = asError(err)
			continue
		}
		commits, of, leases = append(commits, commit), append(of, i), append(leases, l)
	}
	if len(commits) > 0 {
		results, err := s.o.Store.Commit(r.Context(), commits)
		if err != nil {
			return err
		}
		now := s.o.Now()
		for n, i := range of {
			if out.Results[i] = asError(results[n]); results[n] == nil {
				s.ended(leases[n], outcomeDone, now)
			}
		}
	}
	s.o.Metrics.Commit.Observe(time.Since(begun).Seconds())
	return r.answer(out)
}

// ended counts the end of an attempt.
func (s *Server) ended(l lease, outcome string, now time.Time) {
	m := s.meters.of(l.stage)
	m.outcomes[outcome].Inc()
	if took, known := s.flight.end(l.ID, now); known {
		m.work.Observe(took.Seconds())
	}
}

// commit is what becomes of an item's outputs: items of the stages that take from its own, or outputs of the pipeline.
func (s *Server) commit(r *request, c *plan, l lease, outputs []api.Output) (store.Commit, error) {
	out := store.Commit{Lease: l.Lease}
	next := c.next[l.stage]
	for i := range outputs {
		o := &outputs[i]
		if err := config.CheckName(o.Name); err != nil {
			return out, invalid(err.Error())
		}
		var p store.Payload
		var err error
		switch {
		case o.Payload != "" && len(o.Data) > 0:
			err = invalid(o.Name + ": give only one of data and payload")
		case o.Payload != "":
			p, err = s.uploaded(r, o.Payload)
		default:
			p, err = s.keep(r, o.Data)
		}
		if err != nil {
			return out, err
		}
		for _, stage := range next {
			name := c.ItemName(l.stage, stage, o.Name)
			if err := config.CheckName(name); err != nil {
				return out, invalid(err.Error())
			}
			out.Items = append(out.Items, store.NewItem{Stage: stage, Name: name, Priority: l.priority, Payload: p})
		}
		if len(next) == 0 {
			name := c.resultName(l.stage, o.Name)
			if err := config.CheckName(name); err != nil {
				return out, invalid(err.Error())
			}
			out.Results = append(out.Results, store.NewResult{Name: name, Payload: p})
		}
	}
	return out, nil
}

// nack gives items back: POST /v1/leases/nack.
func (s *Server) nack(r *request) error {
	var in api.NackRequest
	if err := s.decode(r, &in); err != nil {
		return err
	}
	if err := s.batch(len(in.Items)); err != nil {
		return err
	}
	out := api.ResultsAnswer{Results: make([]*api.Error, len(in.Items))}
	back := make([]store.GiveBack, 0, len(in.Items))
	of := make([]int, 0, len(in.Items))
	leases := make([]lease, 0, len(in.Items))
	for i := range in.Items {
		l, err := parseLease(in.Items[i].Lease)
		var b store.GiveBack
		if err == nil {
			b, err = s.giveBack(l, &in.Items[i])
		}
		if err != nil {
			out.Results[i] = asError(err)
			continue
		}
		back, of, leases = append(back, b), append(of, i), append(leases, l)
	}
	if len(back) > 0 {
		results, err := s.o.Store.GiveBack(r.Context(), back)
		if err != nil {
			return err
		}
		now := s.o.Now()
		for n, i := range of {
			if out.Results[i] = asError(results[n]); results[n] == nil {
				s.ended(leases[n], outcome(back[n]), now)
			}
		}
	}
	return r.answer(out)
}

func outcome(b store.GiveBack) string {
	switch {
	case b.Release:
		return outcomeReleased
	case b.Dead:
		return outcomeDead
	}
	return outcomeRetried
}

// giveBack is what a worker's word means: a dead letter when it says so, or when the attempts are used up.
func (s *Server) giveBack(l lease, n *api.Nack) (store.GiveBack, error) {
	b := store.GiveBack{Lease: l.Lease, Release: n.Release}
	if n.Release {
		return b, nil
	}
	f := n.Failure
	if len(f.ErrorTail) > api.ErrorTailBytes {
		f.ErrorTail = f.ErrorTail[len(f.ErrorTail)-api.ErrorTailBytes:]
	}
	f.ErrorTail, f.Reason, f.Worker = clean(strings.ToValidUTF8(f.ErrorTail, "\uFFFD")), cut(f.Reason, 1024), cut(f.Worker, api.MaxIDBytes)
	b.Failure = &f
	stage := s.stage(l.stage)
	if b.Dead = n.Permanent || l.attempt >= stage.MaxAttempts; b.Dead {
		return b, nil
	}
	delay, err := length("delay", n.Delay, api.MaxDelay)
	if err != nil {
		return b, err
	}
	if b.Delay = delay; n.Delay == "" {
		b.Delay = backoff(stage.Backoff, l.attempt)
	}
	return b, nil
}

func cut(s string, most int) string {
	if len(s) > most {
		s = s[:most]
	}
	return clean(strings.ToValidUTF8(s, ""))
}

// clean of NUL, which databases do not take.
func clean(s string) string { return strings.ReplaceAll(s, "\x00", "\uFFFD") }
