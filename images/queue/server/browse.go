package server

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/config"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
)

// items of a stage: GET /v1/stages/{stage}/items.
func (s *Server) items(r *request) error {
	q := r.URL.Query()
	after, limit, err := page(q)
	if err != nil {
		return err
	}
	state := api.State(q.Get("state"))
	if state != "" && !slices.Contains(api.States, state) {
		return invalid(fmt.Sprintf("state: %q is none of %v", state, api.States))
	}
	if err := s.known(r); err != nil {
		return err
	}
	list, err := s.o.Store.List(r.Context(), store.Query{Stage: r.stage, State: state, After: after, Limit: limit})
	if err != nil {
		return err
	}
	out := api.ItemsAnswer{Items: make([]api.Item, len(list))}
	for i := range list {
		out.Items[i] = shown(&list[i])
	}
	if len(list) == limit {
		out.After = strconv.FormatInt(list[len(list)-1].ID, 10)
	}
	return r.answer(out)
}

func shown(i *store.Item) api.Item {
	out := api.Item{
		Name: i.Name, State: i.State, Priority: i.Priority, Group: i.Group, Attempt: i.Attempt, Size: i.Payload.Size,
		Created: i.Created, Changed: i.Changed, Worker: i.Worker, Failure: i.Failure,
	}
	if !i.Due.IsZero() {
		out.Due = &i.Due
	}
	return out
}

// item with its lineage: GET /v1/stages/{stage}/items/{name}.
func (s *Server) item(r *request) error {
	i, err := s.named(r)
	if err != nil {
		return err
	}
	input, items, results, err := s.o.Store.Family(r.Context(), i.ID)
	if err != nil {
		return err
	}
	out := api.ItemDetail{Item: shown(i), Stage: i.Stage}
	if input != nil {
		out.Input = &api.Reference{Stage: input.Stage, Name: input.Name, State: input.State}
	}
	for _, made := range items {
		out.Outputs = append(out.Outputs, api.Reference{Stage: made.Stage, Name: made.Name, State: made.State})
	}
	for _, made := range results {
		out.Outputs = append(out.Outputs, api.Reference{Name: made.Name})
	}
	return r.answer(out)
}

// content of an item: GET /v1/stages/{stage}/content/{name}.
func (s *Server) content(r *request) error {
	i, err := s.named(r)
	if err != nil {
		return err
	}
	return s.stream(r, i.Payload)
}

// known says whether a stage is configured, or was and has items.
func (s *Server) known(r *request) error {
	if _, ok := s.plan.Load().Stages[r.stage]; ok {
		return nil
	}
	stats, err := s.o.Store.Stats(r.Context())
	if err != nil {
		return err
	}
	if _, ok := stats.Stages[r.stage]; !ok {
		return &problem{http.StatusNotFound, "not_found", fmt.Sprintf("there is no stage %q", r.stage)}
	}
	return nil
}

func (s *Server) named(r *request) (*store.Item, error) {
	if err := config.CheckName(r.name); err != nil {
		return nil, invalid(err.Error())
	}
	i, err := s.o.Store.Get(r.Context(), r.stage, r.name)
	if errors.Is(err, store.ErrNotFound) {
		return nil, &problem{http.StatusNotFound, "not_found", fmt.Sprintf("the stage %q has no item %q", r.stage, r.name)}
	}
	return i, err
}

// outputs of the pipeline: GET /v1/outputs.
func (s *Server) outputs(r *request) error {
	after, limit, err := page(r.URL.Query())
	if err != nil {
		return err
	}
	list, err := s.o.Store.Results(r.Context(), store.ResultQuery{After: after, Limit: limit, Brief: true})
	if err != nil {
		return err
	}
	out := api.OutputsAnswer{Outputs: make([]api.PipelineOutput, len(list))}
	for i, o := range list {
		out.Outputs[i] = api.PipelineOutput{Name: o.Name, Stage: o.Stage, Item: o.Item, Size: o.Payload.Size, Created: o.Created, Exported: o.Exported}
	}
	if len(list) == limit {
		out.After = strconv.FormatInt(list[len(list)-1].ID, 10)
	}
	return r.answer(out)
}

// output is the content of one: GET /v1/outputs/{name}.
func (s *Server) output(r *request) error {
	if err := config.CheckName(r.name); err != nil {
		return invalid(err.Error())
	}
	o, err := s.o.Store.Result(r.Context(), r.name)
	if errors.Is(err, store.ErrNotFound) {
		return &problem{http.StatusNotFound, "not_found", fmt.Sprintf("there is no output %q", r.name)}
	}
	if err != nil {
		return err
	}
	return s.stream(r, o.Payload)
}

// redrive dead letters: POST /v1/stages/{stage}/redrive.
func (s *Server) redrive(r *request) error {
	in, err := s.selected(r)
	if err != nil {
		return err
	}
	if in.State != "" || (len(in.Names) == 0) != in.All {
		return invalid(`give names, or "all": true`)
	}
	n, err := s.o.Store.Redrive(r.Context(), r.stage, in.Names)
	if err != nil {
		return err
	}
	return r.answer(api.CountAnswer{Count: n})
}

// purge items: POST /v1/stages/{stage}/purge.
func (s *Server) purge(r *request) error {
	in, err := s.selected(r)
	if err != nil {
		return err
	}
	switch {
	case in.All || (len(in.Names) == 0) == (in.State == ""):
		return invalid("give names or a state")
	case in.State == api.InFlight:
		return invalid("state: what is in flight is not purged; wait for it, or let its lease end")
	case in.State != "" && !slices.Contains(api.States, in.State):
		return invalid(fmt.Sprintf("state: %q is none of %v", in.State, api.States))
	}
	n, err := s.o.Store.Purge(r.Context(), r.stage, in.Names, in.State)
	if err != nil {
		return err
	}
	return r.answer(api.CountAnswer{Count: n})
}

func (s *Server) selected(r *request) (in api.SelectRequest, err error) {
	if err := s.decode(r, &in); err != nil {
		return in, err
	}
	if err := s.known(r); err != nil {
		return in, err
	}
	if len(in.Names) > 0 {
		if err := s.batch(len(in.Names)); err != nil {
			return in, err
		}
	}
	for _, name := range in.Names {
		if err := config.CheckName(name); err != nil {
			return in, invalid(err.Error())
		}
	}
	return in, nil
}

// document of the API: GET /v1/openapi.yaml.
func (s *Server) document(r *request) error {
	r.w.Header().Set("Content-Type", "application/yaml")
	r.w.Header().Set("Cache-Control", "no-cache")
	http.ServeContent(r.w, r.Request, "openapi.yaml", time.Time{}, openAPI())
	return nil
}
