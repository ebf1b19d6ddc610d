package source

import (
	"context"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // the image has no other

	"github.com/robfig/cron/v3"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
)

const (
	// lookAtClock is how often the clock is looked at: it may be set, and a machine may have slept.
	lookAtClock = 10 * time.Second
	// wrongClock is how far the last tick may be in the future before the clock at that time is held to be wrong.
	wrongClock = time.Hour
	// tickName is how a tick is written in an item's name.
	tickName = "2006-01-02T15:04:05Z"
)

// Schedule is a rule by which it is time. Its ticks depend on the rule alone, not on when somebody began to look, so that
// all servers give a tick the same name.
type Schedule struct {
	rule  cron.Schedule
	every time.Duration
}

// ParseSchedule reads five fields, or a descriptor such as "@hourly" or "@every 90s", in a time zone ("" is UTC).
// "@every" counts from the beginning of 1970.
func ParseSchedule(text, zone string) (*Schedule, error) {
	if strings.Contains(text, "TZ=") {
		return nil, fmt.Errorf("cron %q: write the time zone as time_zone", text)
	}
	if zone == "" {
		zone = "UTC"
	}
	if _, err := time.LoadLocation(zone); err != nil {
		return nil, fmt.Errorf("time_zone %q: %w", zone, err)
	}
	rule, err := cron.ParseStandard("CRON_TZ=" + zone + " " + text)
	if err != nil {
		return nil, fmt.Errorf("cron %q: %w", text, err)
	}
	s := &Schedule{rule: rule}
	if constant, ok := rule.(cron.ConstantDelaySchedule); ok {
		s.every = constant.Delay
		return s, nil
	}
	if rule.Next(time.Now()).IsZero() {
		return nil, fmt.Errorf("cron %q: it is never time", text)
	}
	return s, nil
}

// Next tick after t.
func (s *Schedule) Next(t time.Time) time.Time {
	if s.every > 0 {
		return floor(t, s.every).Add(s.every)
	}
	return s.rule.Next(t)
}

// Last tick between two times, from exclusive, to inclusive; zero if there is none.
func (s *Schedule) Last(from, to time.Time) (last time.Time) {
	if s.every > 0 {
		if last = floor(to, s.every); last.After(from) {
			return last
		}
		return time.Time{}
	}
	// Ticks may be seconds or years apart: look back in steps that grow until there is one, and then at the last one.
	for back := time.Minute; ; back *= 8 {
		begin := to.Add(-back)
		if whole := begin.Before(from) || back > 10*366*24*time.Hour; whole {
			begin = from
		}
		for t := s.rule.Next(begin); !t.IsZero() && !t.After(to); t = s.rule.Next(t) {
			last = t
		}
		if !last.IsZero() || begin.Equal(from) {
			return last
		}
	}
}

func floor(t time.Time, step time.Duration) time.Time {
	seconds := int64(step / time.Second)
	return time.Unix(t.Unix()/seconds*seconds, 0)
}

// tick makes an item of each tick of a schedule.
func (r *Reader) tick(ctx context.Context, f feed) {
	rule, err := ParseSchedule(f.schedule.Cron, f.schedule.TimeZone)
	if err != nil {
		r.note(ctx, f, err) // the configuration was validated: this does not happen
		return
	}
	for {
		next, err := r.due(ctx, f, rule)
		wait := lookAtClock
		if err != nil {
			r.note(ctx, f, err)
			wait = pauseMin
		} else if until := next.Sub(r.o.Now()); until < wait {
			wait = max(until, 0)
		}
		select {
		case <-ctx.Done():
			return
		case <-r.after(wait):
		}
	}
}

// due enqueues the last tick that is due, if there is one, and gives the next. Of ticks that were missed the last is made
// up for.
func (r *Reader) due(ctx context.Context, f feed, rule *Schedule) (next time.Time, err error) {
	s, err := r.state(ctx, f)
	if err != nil {
		return next, err
	}
	now := r.o.Now()
	last, parseErr := time.Parse(time.RFC3339, s.Last)
	if s.Rule != f.rule() || parseErr != nil || last.Sub(now) > wrongClock {
		// A schedule begins now; what would have been before is nobody's.
		s.Rule, s.Last, s.Error, last = f.rule(), now.UTC().Format(time.RFC3339), "", now.Truncate(time.Second)
		if err := r.setState(ctx, f, s); err != nil {
			return next, err
		}
	}
	t := rule.Last(last, now)
	if t.IsZero() {
		return rule.Next(now), nil
	}
	name := f.prefix + f.schedule.Name + "/" + t.UTC().Format(tickName)
	payload, err := r.o.Keep(ctx, strings.NewReader(f.schedule.Data))
	if err != nil {
		return next, fmt.Errorf("keep the content of %s: %w", name, err)
	}
	items := []store.NewItem{{Stage: f.stage, Name: name, Priority: api.DefaultPriority, Payload: payload}}
	if _, err := r.o.Store.Enqueue(ctx, items); err != nil {
		return next, fmt.Errorf("enqueue %s for stage %s: %w", name, f.stage, err)
	}
	s.Last, s.Error = t.UTC().Format(time.RFC3339), ""
	s.Items++
	return rule.Next(now), r.setState(ctx, f, s)
}

// rule identifies the schedule: another one begins anew.
func (f feed) rule() string {
	zone := f.schedule.TimeZone
	if zone == "" {
		zone = "UTC"
	}
	return f.schedule.Cron + " " + zone
}
