package elector

import (
	"fmt"

	"github.com/anishathalye/porcupine"
)

// terms is the model of an election: what is claimed, and what is told for certain, never goes back. A claim of a term after a
// greater one has no place in any order, since its leader had been followed by another.
var terms = porcupine.Model{
	Init: func() any { return uint64(0) },
	Step: func(state, input, _ any) (bool, any) {
		o := input.(Operation)
		return o.Term >= state.(uint64), o.Term
	},
	DescribeOperation: describe,
}

// taken is the state of a resource: what was written last, and with which term. Of one that is not known anything may be read.
type taken struct {
	known       bool
	term, value uint64
}

// resources are the model of what checks tokens: it takes those that are not smaller than one that it has taken, refuses all
// others, and tells what it has taken last.
func resources(from taken) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return from },
		Step: func(state, input, _ any) (bool, any) {
			o, s := input.(Operation), state.(taken)
			next := taken{known: true, term: o.Term, value: o.Value}
			switch {
			case o.Kind == Read:
				return !s.known || s == next, next
			case o.Accepted:
				return !s.known || o.Term >= s.term, next
			}
			return !s.known || o.Term < s.term, s
		},
		DescribeOperation: describe,
	}
}

func describe(input, _ any) string {
	o := input.(Operation)
	switch o.Kind {
	case Write:
		answer := "refused"
		if o.Accepted {
			answer = "taken"
		}
		return fmt.Sprintf("write %d with %d: %s", o.Value, o.Term, answer)
	case Read:
		return fmt.Sprintf("read %d of %d", o.Value, o.Term)
	}
	return fmt.Sprintf("%s %d by %d.%d", o.Kind, o.Term, o.Elector, o.Life)
}

// events as porcupine has them.
func events(all []Operation) (out []porcupine.Operation) {
	for _, o := range all {
		out = append(out, porcupine.Operation{ClientId: o.Client, Input: o, Call: int64(o.Call), Return: int64(o.Return)})
	}
	return out
}
