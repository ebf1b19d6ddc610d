package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/config"
)

const (
	// electorates side by side, and electors of each.
	electorates = 5
	electors    = 3
	// handoversOfRound of each kind in each electorate.
	handoversOfRound = 3
)

// leases by the names of their profiles.
var leases = map[string]config.Lease{"fast": {Duration: config.Duration(2 * time.Second)}, "default": {Duration: config.Duration(5500 * time.Millisecond)}}

// changes by how they came about.
type changes struct {
	mu  sync.Mutex
	all map[string][]change
}

func (c *changes) add(kind string, one change) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all[kind] = append(c.all[kind], one)
}

func (c *changes) calls(kind string) (all []time.Duration) {
	for _, one := range c.all[kind] {
		all = append(all, one.call)
	}
	return all
}

func (c *changes) silences(kind string) (all []time.Duration) {
	for _, one := range c.all[kind] {
		all = append(all, one.silence)
	}
	return all
}

// quantile by nearest rank: so many of them are not greater.
func quantile(all []time.Duration, q float64) time.Duration {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)]
}

// spread is p50, p99 and the most, in the unit of 1 ms, or of 1 s.
func spread(all []time.Duration) string {
	unit, name, format := time.Millisecond, "ms", "%.0f / %.0f / %.0f %s"
	if quantile(all, 1) >= time.Second {
		unit, name, format = time.Second, "s", "%.2f / %.2f / %.2f %s"
	}
	in := func(q float64) float64 { return float64(quantile(all, q)) / float64(unit) }
	return fmt.Sprintf(format, in(0.5), in(0.99), in(1), name)
}

// electorate of electors with a lease.
func (b *bench) electorate(at backend, name, profile string) (*electorate, error) {
	lease := leases[profile]
	all, _, err := b.newElectors(at, fmt.Sprintf("%s-%s-%s", at, profile, name), config.Config{Elections: []string{election}, Lease: lease}, electors, false)
	if err != nil {
		return nil, err
	}
	return newElectorate(fmt.Sprintf("%s, %s", at, profile), lease.Duration.Std()/4, all[0], all[1], all[2])
}

// sideBySide has electorates do something, each at its own pace, and ends them. Progress is told of all together.
func sideBySide(what string, each int, make func(i int) (*electorate, error), do func(ctx context.Context, e *electorate, done func()) error) error {
	var group sync.WaitGroup
	var mu sync.Mutex
	var failed error
	done, told := 0, time.Now()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	note := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err != nil:
			failed = errors.Join(failed, err)
			cancel()
		default:
			if done++; time.Since(told) > 10*time.Second {
				told = time.Now()
				say("%s: %d of %d", what, done, each*electorates)
			}
		}
	}
	for i := range electorates {
		group.Go(func() {
			e, err := make(i)
			if err != nil {
				note(err)
				return
			}
			defer e.end()
			if err := do(ctx, e, func() { note(nil) }); err != nil {
				note(err)
			}
		})
	}
	group.Wait()
	return failed
}

// Kinds of handovers.
const (
	resigned = "resigned"
	willed   = "resigned for an heir"
	ended    = "ended by SIGTERM"
	killed   = "killed"
)

// handover of every kind, on one backend after the other.
func (b *bench) handover() error {
	const target = 200 * time.Millisecond
	each := handoversOfRound * b.rounds
	b.table.Note("handover: lease fast, %d of each kind on each backend; p50 / p99 / most, since the old leader has stopped saying that it leads", each*electorates)
	var failed error
	for _, at := range b.backends {
		found := &changes{all: map[string][]change{}}
		err := sideBySide("handover, "+at.String(), each, func(i int) (*electorate, error) { return b.electorate(at, fmt.Sprint("handover-", i), "fast") },
			func(ctx context.Context, e *electorate, done func()) error {
				for i := 0; i < each && ctx.Err() == nil; i++ {
					if err := e.handovers(i, found); err != nil {
						return err
					}
					done()
				}
				return nil
			})
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", at, err))
		}
		for _, kind := range []string{resigned, willed, ended} {
			s := found.silences(kind)
			if len(s) == 0 {
				continue
			}
			b.table.Target(fmt.Sprintf("%s: %s", at, kind), "p99 200 ms", spread(s)+"; from the call "+spread(found.calls(kind)), quantile(s, 0.99) <= target)
			b.p50[at.String()+kind] = quantile(found.calls(kind), 0.5)
		}
	}
	return failed
}

// handovers, one of each kind. Between two resignations of one elector there must be a lease, as it leaves the seat to others for
// so long: others resign, and one ends and comes again.
func (e *electorate) handovers(i int, found *changes) error {
	at := func(n int) *elector { return e.members[n].contender.(*elector) }
	one, err := e.replace(func(leader int) error { return at(leader).resign("") })
	if err != nil {
		return fmt.Errorf("%s: %w", resigned, err)
	}
	found.add(resigned, one)
	one, err = e.replace(func(leader int) error {
		return at(leader).resign(at((leader + 1 + i%(electors-1)) % electors).config.Member)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", willed, err)
	}
	found.add(willed, one)
	if one, err = e.ends(syscall.SIGTERM); err != nil {
		return fmt.Errorf("%s: %w", ended, err)
	}
	found.add(ended, one)
	return nil
}

// ends the leader by a signal, and starts it again when another one leads.
func (e *electorate) ends(by syscall.Signal) (change, error) {
	who := 0
	one, err := e.replace(func(leader int) error { who = leader; return e.members[leader].signal(by) })
	if err != nil {
		return one, err
	}
	return one, e.again(who)
}

// crash of leaders: with the lease fast on one backend after the other, and what takes longer on all at once.
func (b *bench) crash() error {
	b.table.Note("crash: p50 / p99 / most since SIGKILL; %d with each lease on each backend", b.rounds*electorates)
	var failed error
	for _, at := range b.backends {
		failed = errors.Join(failed, b.together(func() (func(), error) { return b.crashes(at, "fast", b.rounds, 3*time.Second) }))
	}
	var all []func() (func(), error)
	for _, at := range b.backends {
		all = append(all, func() (func(), error) { return b.crashes(at, "default", b.rounds, 6*time.Second) })
	}
	if b.peer != "" {
		all = append(all, func() (func(), error) { return b.peers(usual, max(1, b.rounds/3)) }, func() (func(), error) { return b.peers(example, 1) })
	}
	failed = errors.Join(failed, b.together(all...))
	b.beside("killed: %s beside kubernetes, default, by p50", usual.String()+killed, "kubernetesdefault"+killed)
	b.beside("handed over: %s beside kubernetes, by p50 since SIGTERM", usual.String()+ended, "kubernetes"+ended)
	return failed
}

// together measures at once, and then writes the rows in order.
func (b *bench) together(all ...func() (rows func(), err error)) error {
	rows, errs := make([]func(), len(all)), make([]error, len(all))
	var group sync.WaitGroup
	for i, measure := range all {
		group.Go(func() { rows[i], errs[i] = measure() })
	}
	group.Wait()
	for _, write := range rows {
		if write != nil {
			write()
		}
	}
	return errors.Join(errs...)
}

// beside writes how many times as long as ours something has taken, if both were measured.
func (b *bench) beside(what, theirs, ours string) {
	if b.p50[theirs] > 0 && b.p50[ours] > 0 {
		b.table.Figure(fmt.Sprintf(what, usual), fmt.Sprintf("%.1f times", float64(b.p50[theirs])/float64(b.p50[ours])))
	}
}

func (b *bench) crashes(at backend, profile string, each int, target time.Duration) (rows func(), err error) {
	found := &changes{all: map[string][]change{}}
	what := fmt.Sprintf("%s: killed, %s", at, profile)
	err = sideBySide(what, each, func(i int) (*electorate, error) { return b.electorate(at, fmt.Sprint("crash-", i), profile) },
		func(ctx context.Context, e *electorate, done func()) error {
			for i := 0; i < each && ctx.Err() == nil; i++ {
				one, err := e.ends(syscall.SIGKILL)
				if err != nil {
					return err
				}
				found.add(killed, one)
				done()
			}
			return nil
		})
	calls := found.calls(killed)
	if len(calls) == 0 {
		return nil, err
	}
	return func() {
		b.table.Target(what, fmt.Sprintf("p99 %.0f s", target.Seconds()), spread(calls), quantile(calls, 0.99) <= target)
		b.p50[at.String()+profile+killed] = quantile(calls, 0.5)
	}, err
}

// peers of client-go: handovers on cancellation, and crashes.
func (b *bench) peers(t terms, each int) (rows func(), err error) {
	found := &changes{all: map[string][]change{}}
	err = sideBySide(t.String(), 2*each, func(i int) (*electorate, error) {
		var all []contender
		for n := range electors {
			all = append(all, b.newPeer(b.cluster.server.String(), b.cluster.account, fmt.Sprintf("peer-%s-%d", t.duration, i), 1, n, t))
		}
		return newElectorate(t.String(), t.retry, all...)
	}, func(ctx context.Context, e *electorate, done func()) error {
		for i := 0; i < 2*each && ctx.Err() == nil; i++ {
			kind, by := ended, syscall.SIGTERM
			if i%2 == 1 {
				kind, by = killed, syscall.SIGKILL
			}
			one, err := e.ends(by)
			if err != nil {
				return err
			}
			found.add(kind, one)
			done()
		}
		return nil
	})
	return func() {
		for _, kind := range []string{ended, killed} {
			if calls := found.calls(kind); len(calls) > 0 {
				b.table.Figure(fmt.Sprintf("%s: %s, %d times", t, kind, len(calls)), spread(calls))
				b.p50[t.String()+kind] = quantile(calls, 0.5)
			}
		}
	}, err
}
