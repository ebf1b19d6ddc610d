package queue

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
)

// contents are read of so many outputs at most, and lineage of so many items.
const (
	maxContents = 20_000
	maxLineages = 1_000
)

// Findings are what is wrong with a pipeline that has ended.
type Findings struct {
	// Effects that hands and processes have had; Refused are acknowledgements that came too late.
	Effects, ProcessEffects, Refused int
	// Lost are items that were acknowledged and have no output, Doubled have two, or two acknowledgements of their work were
	// taken.
	Lost, Doubled []string
	// Strange is everything else.
	Strange []string
}

// Err tells what is wrong, or nil.
func (f Findings) Err() error {
	if len(f.Lost)+len(f.Doubled)+len(f.Strange) == 0 {
		return nil
	}
	return fmt.Errorf("%d items lost %s, %d twice %s, %d strange %s",
		len(f.Lost), some(f.Lost), len(f.Doubled), some(f.Doubled), len(f.Strange), some(f.Strange))
}

func some(all []string) string { return fmt.Sprint(all[:min(len(all), 5)]) }

func (f *Findings) strange(format string, args ...any) {
	f.Strange = append(f.Strange, fmt.Sprintf(format, args...))
}

// check asks the queue for everything, and compares it with the ledger and the commands' records.
func (r *rig) check() (Findings, error) {
	f := Findings{Refused: r.ledger.refused, Strange: r.ledger.strange}
	own, err := r.processEffects(&f)
	if err != nil {
		return f, err
	}
	outputs, err := r.outputs(&f)
	if err != nil {
		return f, err
	}
	contents, err := r.contents(outputs)
	if err != nil {
		return f, err
	}
	f.compare(r.ledger, own, outputs, contents)
	if err := r.counts(&f); err != nil {
		return f, err
	}
	return f, r.lineage(&f, outputs)
}

// work that commands have recorded: by stage and item, then what they called it.
type work map[string]map[string][]int64

func (r *rig) processEffects(f *Findings) (work, error) {
	all := work{stageA: {}, stageB: {}}
	for stage := range all {
		file, err := os.Open(r.effects(stage))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for lines := bufio.NewScanner(file); lines.Scan(); {
			fields := strings.Fields(lines.Text())
			n, err := strconv.ParseInt(fields[len(fields)-1], 10, 64)
			if err != nil || len(fields) != 3 || fields[0] != stage {
				f.strange("record of %s: %q", stage, lines.Text())
				continue
			}
			all[stage][fields[1]] = append(all[stage][fields[1]], n)
			f.ProcessEffects++
		}
		file.Close()
	}
	return all, nil
}

// outputs by the items that they are of.
func (r *rig) outputs(f *Findings) (map[string]api.PipelineOutput, error) {
	all := map[string]api.PipelineOutput{}
	for after := ""; ; {
		var page api.OutputsAnswer
		path := "/v1/outputs?limit=1000&after=" + url.QueryEscape(after)
		if err := r.client.call(context.Background(), http.MethodGet, path, clientToken, nil, &page); err != nil {
			return nil, fmt.Errorf("list outputs: %w", err)
		}
		for _, output := range page.Outputs {
			if other, twice := all[output.Item]; twice {
				f.Doubled = append(f.Doubled, fmt.Sprintf("%s has the outputs %s and %s", output.Item, other.Name, output.Name))
			}
			all[output.Item] = output
		}
		if after = page.After; after == "" {
			return all, nil
		}
	}
}

// contents of the outputs of items, of all or evenly of some.
func (r *rig) contents(outputs map[string]api.PipelineOutput) (map[string]string, error) {
	var names []string
	for i := 0; i < r.plan.Items; i += 1 + r.plan.Items/maxContents {
		if _, ok := outputs[itemName(i)]; ok {
			names = append(names, itemName(i))
		}
	}
	var mu sync.Mutex
	var group sync.WaitGroup
	var faults []error
	all := map[string]string{}
	for part := range slices.Chunk(names, len(names)/8+1) {
		group.Go(func() {
			for _, name := range part {
				content, err := r.client.raw(context.Background(), http.MethodGet, "/v1/outputs/"+outputs[name].Name, clientToken, nil)
				mu.Lock()
				if all[name] = string(content); err != nil {
					faults = append(faults, fmt.Errorf("output %s: %w", name, err))
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	return all, errors.Join(faults...)
}

// compare what the queue tells with what the harness knows.
func (f *Findings) compare(l *ledger, own work, outputs map[string]api.PipelineOutput, contents map[string]string) {
	for i, pushed := range l.pushed {
		name := itemName(i)
		output, there := outputs[name]
		switch {
		case pushed && !there:
			f.Lost = append(f.Lost, name)
			continue
		case !there:
			continue // of which nobody said that it was taken
		case output.Stage != stageB || output.Name != name && !strings.HasPrefix(output.Name, name+"/"):
			f.strange("output %s is of item %q of stage %q", output.Name, output.Item, output.Stage)
		}
		content, read := contents[name]
		parts := strings.Fields(content)
		if read && (len(parts) != 3 || parts[0] != name) {
			f.strange("output %s holds %q", name, content)
			continue
		}
		for k, stage := range []string{stageA, stageB} {
			e := &l.stages[stage][i]
			f.Effects += int(e.effects)
			if e.granted > 1 {
				f.Doubled = append(f.Doubled, fmt.Sprintf("%s in %s: %d acknowledgements were taken", name, stage, e.granted))
			}
			if int(e.effects)+len(own[stage][name]) == 0 {
				f.strange("%s in %s is done, and nobody did it", name, stage)
			}
			if !read {
				continue
			}
			n, err := strconv.ParseInt(strings.TrimPrefix(parts[k+1], stage+":"), 10, 64)
			switch {
			case err != nil:
				f.strange("output %s holds %q", name, content)
			case e.granted == 1 && n != e.work:
				f.Doubled = append(f.Doubled, fmt.Sprintf("%s in %s: work %d was taken, %d is there", name, stage, e.work, n))
			case e.granted == 0 && !slices.Contains(e.open, n) && !slices.Contains(own[stage][name], n):
				f.strange("output %s is of work %d in %s, which nobody did or which was refused", name, n, stage)
			}
		}
	}
	for item, output := range outputs {
		if i, ok := itemNumber(item); !ok || i >= len(l.pushed) {
			f.strange("output %q is of item %q, which nobody pushed", output.Name, item)
		}
	}
}

// counts must be the truth: what the status says is what a walk over all items finds.
func (r *rig) counts(f *Findings) error {
	var status api.Status
	if err := r.client.call(context.Background(), http.MethodGet, "/v1/status", clientToken, nil, &status); err != nil {
		return fmt.Errorf("status: %w", err)
	}
	for _, stage := range status.Stages {
		for state, told := range stage.Counts {
			found := int64(0)
			for after := ""; ; {
				var page api.ItemsAnswer
				path := fmt.Sprintf("/v1/stages/%s/items?limit=1000&state=%s&after=%s", stage.Name, state, url.QueryEscape(after))
				if err := r.client.call(context.Background(), http.MethodGet, path, clientToken, nil, &page); err != nil {
					return fmt.Errorf("list items: %w", err)
				}
				found += int64(len(page.Items))
				if state == api.Dead && after == "" && len(page.Items) > 0 && page.Items[0].Failure != nil {
					f.strange("%s in %s is dead: %+v", page.Items[0].Name, stage.Name, *page.Items[0].Failure)
				}
				if after = page.After; after == "" {
					break
				}
			}
			if told != found {
				f.strange("stage %s counts %d %s, and has %d", stage.Name, told, state, found)
			}
			want := int64(0)
			if state == api.Done {
				want = int64(r.plan.Items)
			}
			if found != want {
				f.strange("stage %s has %d %s, not %d", stage.Name, found, state, want)
			}
		}
	}
	return nil
}

// lineage of some items, both ways.
func (r *rig) lineage(f *Findings, outputs map[string]api.PipelineOutput) error {
	for i := 0; i < r.plan.Items; i += 1 + r.plan.Items/maxLineages {
		name := itemName(i)
		var first, second api.ItemDetail
		for stage, detail := range map[string]*api.ItemDetail{stageA: &first, stageB: &second} {
			err := r.client.call(context.Background(), http.MethodGet, "/v1/stages/"+stage+"/items/"+name, clientToken, nil, detail)
			var e *api.Error
			if errors.As(err, &e) && e.Code == "not_found" {
				f.strange("stage %s has no %s", stage, name)
			} else if err != nil {
				return fmt.Errorf("item %s of %s: %w", name, stage, err)
			}
		}
		if first.Input != nil || len(first.Outputs) != 1 || first.Outputs[0].Stage != stageB || first.Outputs[0].Name != name {
			f.strange("%s in %s: from %v, to %v", name, stageA, first.Input, first.Outputs)
		}
		if second.Input == nil || second.Input.Stage != stageA || second.Input.Name != name ||
			len(second.Outputs) != 1 || second.Outputs[0].Stage != "" || second.Outputs[0].Name != outputs[name].Name {
			f.strange("%s in %s: from %v, to %v", name, stageB, second.Input, second.Outputs)
		}
	}
	return nil
}
