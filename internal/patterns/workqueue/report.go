package workqueue

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/workload"
)

var _ patterns.Reporter = (*Spec)(nil)

// Reports come from the server's log.
func (s *Spec) Reports() (group, container string) { return QueueGroup, workload.MainName }

// Awaited says whether an apply waits for the end of the work.
func (s *Spec) Awaited() bool { return s.Wait }

// Progress is that of the newest report among the lines of the log; nil if there is none.
func (s *Spec) Progress(lines []string) *patterns.Progress {
	for i := len(lines) - 1; i >= 0; i-- {
		var line struct {
			Message string      `json:"msg"`
			Report  *api.Report `json:"report"`
		}
		if !strings.Contains(lines[i], `"progress"`) || json.Unmarshal([]byte(lines[i]), &line) != nil || line.Message != "progress" || line.Report == nil {
			continue
		}
		p := progress(line.Report)
		p.Report = lines[i]
		return p
	}
	return nil
}

func progress(r *api.Report) *patterns.Progress {
	p := &patterns.Progress{Done: r.Drained, Counts: map[string]map[string]int64{}}
	var open, done, dead int64
	for stage, counts := range r.Counts {
		p.Counts[stage] = map[string]int64{}
		for state, n := range counts {
			p.Counts[stage][string(state)] = n
			switch state {
			case api.Done:
				done += n
			case api.Dead:
				dead += n
			default:
				open += n
			}
		}
	}
	p.Message = fmt.Sprintf("%d items left, %d done, %d dead letters, %d outputs", open, done, dead, r.Outputs)
	if len(r.Errors) > 0 {
		p.Message += "; " + strings.Join(r.Errors, "; ")
	}
	if dead > 0 {
		p.Failures = r.Dead
		if more := dead - int64(len(r.Dead)); more > 0 {
			p.Failures = append(p.Failures, fmt.Sprintf("... and %d more", more))
		}
	}
	return p
}
