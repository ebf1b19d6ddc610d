package queue

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
)

// Each way in which a queue could be wrong, without a queue.
func TestTheCheckFindsEachFault(t *testing.T) {
	type world struct {
		ledger   *ledger
		own      work
		outputs  map[string]api.PipelineOutput
		contents map[string]string
	}
	first, second := itemName(0), itemName(1)
	tests := []struct {
		name   string
		doctor func(w *world)
		want   string // "" for none
	}{
		{name: "all is well", doctor: func(*world) {}},
		{name: "an output is missing", doctor: func(w *world) { delete(w.outputs, first) }, want: "1 items lost [item-0000000]"},
		{
			name: "what nobody acknowledged may be missing",
			doctor: func(w *world) {
				delete(w.outputs, first)
				w.ledger.pushed[0] = false
			},
		},
		{name: "two acknowledgements were taken", doctor: func(w *world) { w.ledger.stages[stageA][0].granted = 2 }, want: "2 acknowledgements were taken"},
		{name: "another's work is there", doctor: func(w *world) { w.contents[first] = first + " a:1 b:99" }, want: "work 2 was taken, 99 is there"},
		{
			name: "work that was refused is there",
			doctor: func(w *world) {
				w.contents[second] = second + " a:3 b:4"
				w.ledger.stages[stageB][1].effects = 1
			},
			want: "which nobody did or which was refused",
		},
		{
			name: "work of which nobody knows may be there",
			doctor: func(w *world) {
				w.contents[second] = second + " a:3 b:4"
				w.ledger.stages[stageB][1].open = []int64{4}
			},
		},
		{name: "done by nobody", doctor: func(w *world) { delete(w.own[stageB], second) }, want: "nobody did it"},
		{name: "the content of another item", doctor: func(w *world) { w.contents[first] = w.contents[second] }, want: `output item-0000000 holds`},
		{
			name:   "an output of the wrong stage",
			doctor: func(w *world) { w.outputs[first] = api.PipelineOutput{Name: first, Item: first, Stage: stageA} },
			want:   `of stage "a"`,
		},
		{
			name:   "an output of nothing",
			doctor: func(w *world) { w.outputs["else"] = api.PipelineOutput{Name: "else", Item: "else", Stage: stageB} },
			want:   "which nobody pushed",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := world{
				ledger: newLedger(2),
				own:    work{stageA: {}, stageB: {second: {1 << 41}}},
				outputs: map[string]api.PipelineOutput{
					first: {Name: first + "/2", Item: first, Stage: stageB}, second: {Name: second, Item: second, Stage: stageB},
				},
				contents: map[string]string{first: first + " a:1 b:2", second: second + " a:3 b:2199023255552"},
			}
			w.ledger.pushed = []bool{true, true}
			w.ledger.stages[stageA] = []entry{{effects: 1, granted: 1, work: 1}, {effects: 1, granted: 1, work: 3}}
			w.ledger.stages[stageB] = []entry{{effects: 2, granted: 1, work: 2}, {}}
			tt.doctor(&w)
			var f Findings
			f.compare(w.ledger, w.own, w.outputs, w.contents)
			if tt.want == "" {
				require.NoError(t, f.Err())
				return
			}
			require.ErrorContains(t, f.Err(), tt.want)
		})
	}
}
