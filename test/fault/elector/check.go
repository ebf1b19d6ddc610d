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
		f.decide(&f.Overlapping, view{name + ": claims", terms, claims}, terms, backwards(claims), patience)
		accepted := slices.DeleteFunc(slices.Clone(register), func(o Operation) bool { return o.Kind == Write && !o.Accepted })
		f.decide(&f.Stale, view{name + ": resource", resources(taken{known: true}), register}, resources(taken{}), backwards(accepted), patience)
		f.follows(name, elections[name])
	}
	return f
}

// decide by porcupine. A pair that contradicts itself is an example: without one there can still be something wrong, but never the
// other way round. What is shown is the time around it, by a model of histories whose beginning is not known.
func (f *Findings) decide(wrong *[]string, all view, part porcupine.Model, example *[2]Operation, patience time.Duration) {
	result, text := porcupine.CheckOperationsTimeout(all.model, events(all.all), patience), all.name
	if result == porcupine.Ok && example == nil {
		return
	}
	if example != nil {
		first, second := example[0], example[1]
		text += fmt.Sprintf(": %s at %s after %s until %s", describe(second, nil), second.Call, describe(first, nil), first.Return)
		around := slices.DeleteFunc(slices.Clone(all.all), func(o Operation) bool {
			return o.Return < first.Call-time.Second || o.Call > second.Return+time.Second
		})
		all = view{all.name, part, around}
	}
	f.views = append(f.views, all)
	switch result {
	case porcupine.Illegal:
		*wrong = append(*wrong, text)
	case porcupine.Unknown:
		f.Undecided = append(f.Undecided, text)
	default:
		f.Strange = append(f.Strange, text+", which porcupine does not see")
	}
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
