package elector

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

// Findings are what is wrong with a history.
type Findings struct {
	// Overlapping are elections in which two led at once, Stale are those whose resource has taken a write with a smaller token
	// than one before. Both as porcupine finds it, with an example where one can be named.
	Overlapping, Stale []string
	// Undecided are elections of which porcupine came to no end.
	Undecided []string
	// Strange is everything else.
	Strange []string

	views []view
}

// A view of what is wrong, for people.
type view struct {
	name  string
	model porcupine.Model
	all   []Operation
}

// Err tells what is wrong, or nil.
func (f Findings) Err() error {
	if len(f.Overlapping)+len(f.Stale)+len(f.Undecided)+len(f.Strange) == 0 {
		return nil
	}
	return fmt.Errorf("%d elections with overlapping terms %s, %d with stale writes %s, %d undecided %s, %d strange %s",
		len(f.Overlapping), some(f.Overlapping), len(f.Stale), some(f.Stale), len(f.Undecided), some(f.Undecided), len(f.Strange), some(f.Strange))
}

func some(all []string) string { return fmt.Sprintf("%q", all[:min(len(all), 5)]) }

// Check a history, and give up on an election after patience.
func Check(all []Operation, patience time.Duration) (f Findings) {
	elections := map[string][]Operation{}
	for _, o := range all {
		elections[o.Election] = append(elections[o.Election], o)
	}
	for _, name := range slices.Sorted(maps.Keys(elections)) {
		var claims, register []Operation
		for _, o := range elections[name] {
			switch o.Kind {
			case Claim, Verify:
				claims = append(claims, o)
			case Write, Read:
				register = append(register, o)
			}
		}
		f.decide(&f.Overlapping, name+": claims", terms, claims, backwards(claims), patience)
		accepted := slices.DeleteFunc(slices.Clone(register), func(o Operation) bool { return o.Kind == Write && !o.Accepted })
		f.decide(&f.Stale, name+": resource", resources(taken{known: true}), register, backwards(accepted), patience)
		f.follows(name, elections[name])
	}
	return f
}

// decide by porcupine. A pair that contradicts itself is an example; without one there can still be something wrong, but never the
// other way round.
func (f *Findings) decide(wrong *[]string, name string, model porcupine.Model, all []Operation, example *[2]Operation, patience time.Duration) {
	result := porcupine.CheckOperationsTimeout(model, events(all), patience)
	from, to := time.Duration(0), time.Duration(1<<62)
	text := name
	if example != nil {
		from, to = example[0].Call-time.Second, example[1].Return+time.Second
		text += fmt.Sprintf(": %s at %s after %s until %s", describe(example[1], nil), example[1].Call, describe(example[0], nil), example[0].Return)
	}
	switch result {
	case porcupine.Ok:
		if example == nil {
			return
		}
		f.Strange = append(f.Strange, text+", which porcupine does not see")
	case porcupine.Unknown:
		f.Undecided = append(f.Undecided, text)
	case porcupine.Illegal:
		*wrong = append(*wrong, text)
	}
	part := slices.DeleteFunc(slices.Clone(all), func(o Operation) bool { return o.Return < from || o.Call > to })
	if example != nil && model.Init() != any(uint64(0)) {
		model = resources(taken{})
	}
	f.views = append(f.views, view{name, model, part})
}

// backwards finds two operations of which the second began after the first had ended, and has a smaller term.
func backwards(all []Operation) *[2]Operation {
	called := slices.SortedFunc(slices.Values(all), func(a, b Operation) int { return cmp.Compare(a.Call, b.Call) })
	returned := slices.SortedFunc(slices.Values(all), func(a, b Operation) int { return cmp.Compare(a.Return, b.Return) })
	var most Operation
	for _, o := range called {
		for len(returned) > 0 && returned[0].Return < o.Call {
			if returned[0].Term > most.Term {
				most = returned[0]
			}
			returned = returned[1:]
		}
		if o.Term < most.Term {
			return &[2]Operation{most, o}
		}
	}
	return nil
}

type life struct{ elector, number int }

// follows finds terms that two lives have claimed, and electors that forget.
func (f *Findings) follows(name string, all []Operation) {
	holder := map[uint64]life{}
	known := map[int]Operation{} // what a client was told last
	for _, o := range all {
		if o.Kind != Claim && o.Kind != Follow {
			continue
		}
		is := life{o.Elector, o.Life}
		if o.Kind == Claim {
			if other, there := holder[o.Term]; there && other != is {
				f.Strange = append(f.Strange, fmt.Sprintf("%s: term %d is of %v and of %v", name, o.Term, other, is))
			}
			holder[o.Term] = is
		}
		if was, there := known[o.Client]; there && was.Life == o.Life && o.Term < was.Term {
			f.Strange = append(f.Strange, fmt.Sprintf("%s: elector %v knew term %d at %s, and %d at %s", name, is, was.Term, was.Return, o.Term, o.Call))
		}
		known[o.Client] = o
	}
}
