package check

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/config"
	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/contract"
	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/merge"
)

// Merging is what a merge is tried with.
type Merging struct {
	// Format of the parts, one of package contract.
	Format string
	// By and Order of records, as the configuration has them.
	By, Order string
	// Parts are answers of leaves; of FormatNDJSON, lines.
	Parts       [][]byte
	ContentType string
	// AnyOrder: the merge promises that the order of parts makes no difference.
	AnyOrder bool
	// Request that they are answers to.
	Request Request
}

// Merge tries a merge at its URL, through what a gatherer calls it by.
func Merge(ctx context.Context, at string, m Merging) []Result {
	limits := config.Limits{PartBytes: answerBytes, AnswerBytes: answerBytes, LineBytes: 1 << 20}
	c := &caller{ctx: ctx, m: m, gives: patience}
	c.merger, c.streamer = merge.New(config.Merge{Container: &config.Container{URL: at, Format: m.Format, By: m.By, Order: m.Order}}, limits)

	var out results
	leaves := make([]part, len(m.Parts))
	for i, body := range m.Parts {
		leaves[i] = part{shards: []int{i}, body: body, contentType: m.ContentType}
	}
	whole, err := c.merge(leaves, true, nil)
	out.add("parts become one answer with 2xx", err)
	if err != nil {
		return out // nothing else would say more
	}
	compare := func(rule string, got answer, err error) {
		if err == nil {
			err = differs(got, whole)
		}
		out.add(rule, err)
	}
	if len(whole.body) > 0 && whole.contentType == "" {
		err = errors.New("there is a body, and no Content-Type")
	}
	out.add("a body has a Content-Type", err)
	got, err := c.merge(leaves, true, nil)
	compare("asked twice, the answer is the same", got, err)
	_, err = c.merge(nil, true, nil)
	out.add("no parts at all are answered with 2xx", err)
	_, err = c.merge(leaves[:1], true, nil)
	out.add("one part is answered with 2xx", err)
	_, err = c.merge(leaves[:1], true, []contract.Missing{{Shard: "1", Reason: "timeout"}, {Shard: "2", Reason: `status 500 "\u00e4"`}})
	out.add("parts of a partial coverage are answered with 2xx", err)
	for split := 1; split < len(leaves); split++ {
		got, err = c.tree(leaves[:split], leaves[split:])
		compare(fmt.Sprintf("merging is associative: parents of %d and %d parts give the same as no parents", split, len(leaves)-split), got, err)
	}
	if m.AnyOrder {
		turned := slices.Clone(leaves)
		slices.Reverse(turned)
		got, err = c.merge(turned, true, nil)
		compare("the order of parts makes no difference", got, err)
	}
	out.add("many merges at once get the same answer", atOnce(8, func() error {
		got, err := c.merge(leaves, true, nil)
		if err != nil {
			return err
		}
		return differs(got, whole)
	}))
	out.add("a short "+contract.HeaderDeadline+" is kept, by an answer or by giving up", inTime(func() error {
		hurried := *c
		hurried.gives = deadline
		_, _ = hurried.merge(leaves, true, nil) // an error is how it gives up
		return nil
	}))
	body, contentType := c.body(leaves)
	err = giveUp(ctx, at, http.MethodPost, contentType, body)
	if err == nil {
		err = afterwards(ctx, func() error {
			got, err := c.merge(leaves, true, nil)
			if err != nil {
				return err
			}
			return differs(got, whole)
		})
	}
	out.add("requests that are cancelled do no harm", err)
	return out
}

type part struct {
	shards      []int
	body        []byte
	contentType string
}

// caller of the merge.
type caller struct {
	ctx      context.Context //nolint:containedctx // of one check
	m        Merging
	merger   merge.Merger
	streamer merge.Streamer
	gives    time.Duration // what it says that there is time for
}

// tree merges two parents' parts, and then what they give.
func (c *caller) tree(left, right []part) (answer, error) {
	var above []part
	for _, parts := range [][]part{left, right} {
		a, err := c.merge(parts, false, nil)
		if err != nil {
			return a, fmt.Errorf("with root false: %w", err)
		}
		p := part{body: a.body, contentType: a.contentType}
		for _, one := range parts {
			p.shards = append(p.shards, one.shards...)
		}
		above = append(above, p)
	}
	a, err := c.merge(above, true, nil)
	if err != nil {
		return a, fmt.Errorf("what it has answered itself is no part that it takes: %w", err)
	}
	return a, nil
}

func (c *caller) merge(parts []part, root bool, missing []contract.Missing) (answer, error) {
	ctx, cancel := context.WithTimeout(c.ctx, patience)
	defer cancel()
	in := &merge.Request{Method: c.m.Request.Method, Path: c.m.Request.Path, Header: http.Header{}, Body: c.m.Request.Body, Deadline: time.Now().Add(c.gives), Root: root}
	for name, values := range c.m.Request.Header {
		in.Header[name] = values
	}
	in.Path, in.Query, _ = strings.Cut(in.Path, "?")
	coverage := contract.Coverage{Shards: len(missing), Missing: missing, Complete: len(missing) == 0}
	for _, p := range parts {
		coverage.Shards += len(p.shards)
		coverage.Answered += len(p.shards)
	}
	if c.streamer != nil {
		out := &sink{header: http.Header{}, coverage: coverage}
		streams := make([]merge.Stream, len(parts))
		for i, p := range parts {
			streams[i] = merge.Stream{Child: fmt.Sprint("part ", i), Shards: p.shards, ContentType: p.contentType, Body: bytes.NewReader(p.body)}
		}
		err := c.streamer.Stream(ctx, in, streams, out)
		return answer{status: http.StatusOK, contentType: out.header.Get("Content-Type"), body: out.body.Bytes()}, err
	}
	all := make([]merge.Part, len(parts))
	for i, p := range parts {
		all[i] = merge.Part{Child: fmt.Sprint("part ", i), Shards: p.shards, Status: http.StatusOK, ContentType: p.contentType, Body: p.body}
	}
	a, err := c.merger.Merge(ctx, in, all, coverage)
	if err != nil {
		var wrong *merge.PartError
		if errors.As(err, &wrong) {
			return answer{}, fmt.Errorf("part %d: %w", wrong.Index, err)
		}
		return answer{}, err
	}
	return answer{status: a.Status, contentType: a.ContentType, body: a.Body}, nil
}

// body of a request, to be cut.
func (c *caller) body(parts []part) (body []byte, contentType string) {
	all := contract.MergeRequest{Asked: contract.Asked{Root: true, DeadlineMS: 1000}}
	for i, p := range parts {
		all.Parts = append(all.Parts, contract.MergePart{Child: fmt.Sprint("part ", i), Shards: p.shards, Status: http.StatusOK, ContentType: p.contentType, Body: p.body})
	}
	if c.streamer == nil {
		var b bytes.Buffer
		if contentType, err := contract.WriteMerge(&b, c.m.Format, &all); err == nil {
			return b.Bytes(), contentType
		}
	}
	head, err := json.Marshal(all.Asked)
	if err != nil {
		return nil, contract.TypeNDJSON
	}
	body = append(head, '\n')
	for _, p := range parts {
		for line := range bytes.Lines(p.body) {
			body = contract.AppendRecord(body, p.shards, bytes.TrimSpace(line))
		}
	}
	return body, contract.TypeNDJSON
}

// sink in memory. Any stream that breaks off is the merge's input, and so a fault of the check's.
type sink struct {
	body     bytes.Buffer
	header   http.Header
	coverage contract.Coverage
}

func (s *sink) Write(p []byte) (int, error) {
	if s.body.Len()+len(p) > answerBytes {
		return 0, fmt.Errorf("the answer has more than %d bytes", answerBytes)
	}
	return s.body.Write(p)
}
func (s *sink) Header() http.Header { return s.header }
func (s *sink) Flush()              {}
func (s *sink) Failed(index int, err error) error {
	return fmt.Errorf("part %d: %w", index, err)
}

func (s *sink) Coverage() contract.Coverage { return s.coverage }
