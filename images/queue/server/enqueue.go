package server

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/config"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
)

// enqueue a batch: POST /v1/items. The good entries are enqueued in one step; the others are answered with their errors.
func (s *Server) enqueue(r *request) error {
	begun := time.Now()
	var in api.EnqueueRequest
	if err := s.decode(r, &in); err != nil {
		return err
	}
	if err := s.batch(len(in.Items)); err != nil {
		return err
	}
	c := s.plan.Load()
	out := api.EnqueueAnswer{Items: make([]api.Enqueued, len(in.Items))}
	all := make([]store.NewItem, 0, len(in.Items))
	of := make([]int, 0, len(in.Items)) // the entry of each item
	for i := range in.Items {
		e := &in.Items[i]
		out.Items[i].Name = e.Name
		items, err := s.newItems(r, c, e)
		if err != nil {
			if p := problemOf(err); p.status >= 500 {
				return err
			}
			out.Items[i].Error = asError(err)
			continue
		}
		out.Items[i].Name = e.Name
		for range items {
			of = append(of, i)
		}
		all = append(all, items...)
	}
	if err := s.put(r, all, of, out.Items); err != nil {
		return err
	}
	s.o.Metrics.Enqueue.Observe(time.Since(begun).Seconds())
	return r.answer(out)
}

// put items into the store, and tell of each entry whether all of its items were there already.
func (s *Server) put(r *request, all []store.NewItem, of []int, out []api.Enqueued) error {
	if len(all) == 0 {
		return nil
	}
	done, err := s.o.Store.Enqueue(r.Context(), all)
	if err != nil {
		return err
	}
	for _, i := range of {
		out[i].Duplicate = true
	}
	for n, d := range done {
		out[of[n]].Duplicate = out[of[n]].Duplicate && d.Duplicate
	}
	return nil
}

// push one item whose content is the body: PUT /v1/items/{name}.
func (s *Server) push(r *request) error {
	begun := time.Now()
	c, q := s.plan.Load(), r.URL.Query()
	e := &api.NewItem{Name: r.name, Stage: q.Get("stage"), Delay: q.Get("delay"), Group: q.Get("group"), DeduplicationID: q.Get("deduplication_id")}
	if text := q.Get("priority"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			return invalid(fmt.Sprintf("priority: %q is not a number", text))
		}
		e.Priority = &n
	}
	for k := range q {
		if !slices.Contains([]string{"stage", "delay", "group", "deduplication_id", "priority"}, k) {
			return invalid(fmt.Sprintf("%s: there is no such parameter", k))
		}
	}
	if err := config.CheckName(e.Name); err != nil { // where a path names it, none is made up
		return invalid(err.Error())
	}
	items, err := s.newItems(r, c, e)
	if err != nil {
		return err
	}
	body := s.body(r)
	p, err := s.o.Payloads.Keep(r.Context(), body)
	if err != nil {
		return body.blame(err)
	}
	of := make([]int, len(items))
	for i := range items {
		items[i].Payload = p
	}
	out := []api.Enqueued{{Name: e.Name}}
	if err := s.put(r, items, of, out); err != nil {
		return err
	}
	s.o.Metrics.Enqueue.Observe(time.Since(begun).Seconds())
	return r.answer(out[0])
}

// newItems of one entry: one for each stage that it goes to. It gives the entry a name if it has none.
func (s *Server) newItems(r *request, c *plan, e *api.NewItem) ([]store.NewItem, error) {
	if e.Name == "" {
		e.Name = newName(s.o.Now())
	}
	if err := config.CheckName(e.Name); err != nil {
		return nil, invalid(err.Error())
	}
	item := store.NewItem{Priority: api.DefaultPriority, Group: e.Group, DeduplicationID: e.DeduplicationID}
	if e.Priority != nil {
		item.Priority = *e.Priority
	}
	if item.Priority < 0 || item.Priority > api.MaxPriority {
		return nil, invalid(fmt.Sprintf("priority: must be 0 to %d, got %d", api.MaxPriority, item.Priority))
	}
	if err := checkID("group", e.Group); err != nil {
		return nil, err
	}
	if err := checkID("deduplication_id", e.DeduplicationID); err != nil {
		return nil, err
	}
	var err error
	if item.Delay, err = length("delay", e.Delay, api.MaxDelay); err != nil {
		return nil, err
	}
	var stages []string
	switch _, known := c.Stages[e.Stage]; {
	case e.Stage == "":
		if stages = c.entries; len(stages) == 0 {
			return nil, invalid("no stage is fed by the source: name a stage")
		}
	case !known:
		return nil, invalid(fmt.Sprintf("stage: there is no stage %q", e.Stage))
	default:
		stages = []string{e.Stage}
	}
	if item.Payload, err = s.payloadOf(r, e); err != nil {
		return nil, err
	}
	out := make([]store.NewItem, len(stages))
	for i, stage := range stages {
		out[i] = item
		out[i].Stage, out[i].Name = stage, e.Name
		if e.Stage == "" {
			out[i].Name = c.ItemName(config.Source, stage, e.Name)
		}
		if err := config.CheckName(out[i].Name); err != nil { // longer by the source's name
			return nil, invalid(err.Error())
		}
	}
	return out, nil
}

func checkID(what, id string) error {
	if len(id) > api.MaxIDBytes || !utf8.ValidString(id) || strings.ContainsFunc(id, unicode.IsControl) {
		return invalid(fmt.Sprintf("%s: must be at most %d bytes of UTF-8 without control characters", what, api.MaxIDBytes))
	}
	return nil
}

// payloadOf an entry: at most one of its three forms.
func (s *Server) payloadOf(r *request, e *api.NewItem) (store.Payload, error) {
	given := 0
	for _, is := range []bool{len(e.Data) > 0, e.Text != "", e.Payload != ""} {
		if is {
			given++
		}
	}
	if given > 1 {
		return store.Payload{}, invalid(fmt.Sprintf("%s: give only one of data, text and payload", e.Name))
	}
	if e.Payload != "" {
		return s.uploaded(r, e.Payload)
	}
	content := e.Data
	if e.Text != "" {
		content = []byte(e.Text)
	}
	return s.keep(r, content)
}

// keep content that is in memory.
func (s *Server) keep(r *request, content []byte) (store.Payload, error) {
	if limit := s.plan.Load().Limits.ItemBytes; int64(len(content)) > limit {
		return store.Payload{}, &problem{http.StatusRequestEntityTooLarge, "too_large", fmt.Sprintf("a content has %d bytes, at most %d are allowed", len(content), limit)}
	}
	if len(content) <= s.plan.Load().Payloads.InlineBytes {
		return store.Payload{Data: content, Size: int64(len(content))}, nil
	}
	return s.o.Payloads.Keep(r.Context(), bytes.NewReader(content))
}

// newName sorts by time.
func newName(now time.Time) string {
	var raw [6]byte
	_, _ = rand.Read(raw[:])
	return now.UTC().Format("20060102T150405.000000000Z") + "-" + hex.EncodeToString(raw[:])
}
