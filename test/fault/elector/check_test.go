package elector

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// op of client 1 with elector 1, and so on.
func op(kind Kind, client int, call, ret time.Duration, term uint64) Operation {
	return Operation{Election: "one", Kind: kind, Client: client, Elector: client, Life: 1, Call: call, Return: ret, Term: term}
}

func write(client int, call, ret time.Duration, term, value uint64, accepted bool) Operation {
	o := op(Write, client, call, ret, term)
	o.Value, o.Accepted = value, accepted
	return o
}

func read(client int, call, ret time.Duration, term, value uint64) Operation {
	o := op(Read, client, call, ret, term)
	o.Value = value
	return o
}

func TestTheCheckFindsEachFault(t *testing.T) {
	other := func(o Operation) Operation { o.Election = "other"; return o }
	reborn := func(o Operation) Operation { o.Life++; return o }
	tests := []struct {
		name string
		all  []Operation
		want string // "" for none
	}{
		{name: "nothing happened"},
		{name: "one leads after the other", all: []Operation{op(Claim, 1, 0, 1, 1), op(Claim, 2, 2, 3, 2), op(Claim, 1, 4, 5, 3)}},
		{name: "an answer may be late", all: []Operation{op(Claim, 2, 2, 3, 2), op(Claim, 1, 1, 9, 1)}},
		{name: "of other elections nothing follows", all: []Operation{op(Claim, 1, 0, 1, 5), other(op(Claim, 2, 2, 3, 1))}},
		{
			name: "who claims after the next one leads at the same time", all: []Operation{op(Claim, 1, 0, 1, 1), op(Claim, 2, 2, 3, 2), op(Claim, 1, 4, 5, 1)},
			want: `1 elections with overlapping terms \["one: claims: claim 1 by 1.1 at 4ns after claim 2 by 2.1 until 3ns"\]`,
		},
		{
			name: "no order is one for three that contradict each other two by two", all: []Operation{op(Claim, 1, 0, 3, 3), op(Claim, 2, 4, 9, 1), op(Claim, 3, 5, 8, 2)},
			want: "1 elections with overlapping terms",
		},
		{name: "what was verified is claimed no more", all: []Operation{op(Verify, 3, 0, 1, 2), op(Claim, 1, 2, 3, 1)}, want: "1 elections with overlapping terms"},
		{name: "what was claimed is verified", all: []Operation{op(Claim, 1, 0, 1, 2), op(Verify, 3, 2, 3, 1)}, want: "1 elections with overlapping terms"},
		{name: "what is only known may be late", all: []Operation{op(Claim, 1, 0, 1, 2), op(Follow, 3, 2, 3, 1)}},
		{name: "a term of two", all: []Operation{op(Claim, 1, 0, 1, 1), op(Claim, 2, 2, 3, 1)}, want: "term 1 is of {1 1} and of {2 1}"},
		{name: "a term of two lives", all: []Operation{op(Claim, 1, 0, 1, 1), reborn(op(Claim, 1, 2, 3, 1))}, want: "term 1 is of {1 1} and of {1 2}"},
		{name: "an elector forgets", all: []Operation{op(Follow, 1, 0, 1, 2), op(Follow, 1, 2, 3, 1)}, want: "elector {1 1} knew term 2 at 1ns, and 1 at 2ns"},
		{name: "who begins again may have forgotten", all: []Operation{op(Follow, 1, 0, 1, 2), reborn(op(Follow, 1, 2, 3, 0))}},

		{
			name: "a resource that checks", all: []Operation{
				read(1, 0, 1, 0, 0), write(1, 2, 3, 1, 11, true), write(1, 4, 5, 1, 12, true), read(2, 6, 7, 1, 12),
				write(2, 8, 9, 2, 21, true), write(1, 10, 11, 1, 13, false), read(1, 12, 13, 2, 21),
			},
		},
		{name: "writes at once are in some order", all: []Operation{write(2, 0, 9, 2, 21, true), write(1, 1, 8, 1, 11, true), read(3, 2, 7, 1, 11)}},
		{
			name: "a stale write is taken", all: []Operation{write(2, 0, 1, 2, 21, true), write(1, 2, 3, 1, 11, true)},
			want: `1 with stale writes \["one: resource: write 11 with 1: taken at 2ns after write 21 with 2: taken until 1ns"\]`,
		},
		{
			name: "a stale write that was taken is seen by who reads", all: []Operation{
				write(2, 0, 5, 2, 21, true), write(1, 0, 5, 1, 11, true), read(3, 1, 2, 2, 21), read(3, 3, 4, 1, 11),
			},
			want: "1 with stale writes",
		},
		{name: "a good write is refused", all: []Operation{write(2, 0, 1, 2, 21, true), write(2, 2, 3, 2, 22, false)}, want: "1 with stale writes"},
		{name: "what was written is lost", all: []Operation{write(2, 0, 1, 2, 21, true), read(1, 2, 3, 0, 0)}, want: "1 with stale writes"},
		{name: "what nobody wrote is read", all: []Operation{write(2, 0, 1, 2, 21, true), read(1, 2, 3, 2, 22)}, want: "1 with stale writes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := Check(tt.all, time.Minute)
			if tt.want == "" {
				require.NoError(t, f.Err())
				return
			}
			require.Error(t, f.Err())
			require.Regexp(t, tt.want, f.Err().Error())
		})
	}
}

func TestUndecidedIsNotWell(t *testing.T) {
	var all []Operation
	for client := range 40 { // whose order only comes out when all have been tried
		all = append(all, write(client, 0, 100, 1, uint64(client), true))
	}
	all = append(all, read(40, 1, 99, 1, 1000))
	require.ErrorContains(t, Check(all, 100*time.Millisecond).Err(), "1 undecided")
}

func TestWhatIsWrongIsShown(t *testing.T) {
	all := []Operation{op(Claim, 1, 0, 1, 1), op(Claim, 2, 2, 3, 2), op(Claim, 1, 4, 5, 1)}
	dir := t.TempDir()
	require.NoError(t, Check(all, time.Minute).show(dir, all))
	assert.FileExists(t, dir+"/history.jsonl")
	assert.FileExists(t, fmt.Sprintf("%s/1.html", dir))
}
