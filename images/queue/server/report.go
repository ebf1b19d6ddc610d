package server

import (
	"bytes"
	"context"
	"encoding/json"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
)

const (
	// A report that has not changed is repeated, so that the end of the log holds one.
	reportAgain = 15 * time.Second
	reportDead  = 5
	reportBytes = 300 // of an error
)

// report the progress to the log, for whoever waits for it without reaching the API.
func (s *Server) report(ctx context.Context) {
	var last []byte
	var at time.Time
	for {
		one, err := s.progress(ctx)
		if err == nil {
			raw, _ := json.Marshal(one) // plain data
			if !bytes.Equal(raw, last) || time.Since(at) >= reportAgain {
				last, at = raw, time.Now()
				s.o.Log.Info("progress", "report", one)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(s.plan.Load().Report.Std()):
		}
	}
}

func (s *Server) progress(ctx context.Context) (*api.Report, error) {
	status, err := s.Status(ctx)
	if err != nil {
		return nil, err
	}
	stats, err := s.o.Store.Stats(ctx)
	if err != nil {
		return nil, err
	}
	out := &api.Report{Counts: map[string]map[api.State]int64{}, Outputs: stats.Results, Read: status.Source.Read, Drained: status.Drained}
	for _, stage := range status.Stages {
		out.Counts[stage.Name] = stage.Counts
		if n := reportDead - len(out.Dead); stage.Counts[api.Dead] > 0 && n > 0 {
			dead, err := s.o.Store.List(ctx, store.Query{Stage: stage.Name, State: api.Dead, Limit: n})
			if err != nil {
				return nil, err
			}
			for _, i := range dead {
				out.Dead = append(out.Dead, stage.Name+" "+i.Name+": "+i.Failure.Why(reportBytes))
			}
		}
	}
	if status.Source.Error != "" {
		out.Errors = append(out.Errors, "source: "+status.Source.Error)
	}
	if status.Sink != nil && status.Sink.Error != "" {
		out.Errors = append(out.Errors, "sink: "+status.Sink.Error)
	}
	return out, nil
}
