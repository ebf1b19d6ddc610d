package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/config"
	"github.com/container-patterns/terraform-provider-pattern/test/bench/table"
)

var array = config.Merge{JSONArray: &config.JSONArray{}}

func singles(addresses []string) (out [][]string) {
	for _, a := range addresses {
		out = append(out, []string{a})
	}
	return out
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func (l *load) check(what string) error {
	if l.failed > 0 {
		return fmt.Errorf("%s: %d of %d requests failed, the last: %w", what, l.failed, l.failed+len(l.times), l.last)
	}
	return nil
}

// overhead of the root over its slowest leaf.
func (b *bench) overhead() error {
	p, addresses, err := b.leaves(16, "-stall", "100", "-stall-for", "5ms")
	if err != nil {
		return err
	}
	defer p.stop()
	r, err := b.root(array, config.Policy{}, singles(addresses)...)
	if err != nil {
		return err
	}
	defer r.stop()
	var over, slowest []float64
	for range b.rounds {
		worst := 0.0
		for _, a := range addresses {
			l := ask(a, 1, b.round/16)
			worst = max(worst, ms(l.quantile(0.5)))
		}
		l := ask(r.address, 1, b.round)
		if err := l.check("root"); err != nil {
			return err
		}
		slowest = append(slowest, worst)
		over = append(over, ms(l.quantile(0.5))-worst)
	}
	b.table.Note("overhead: one client; p50 of the slowest of 16 leaves alone: %.2f ms", table.Median(slowest))
	b.table.Target("root's p50 above the slowest leaf's, 16 leaves", "1 ms", fmt.Sprintf("%.2f ms", table.Median(over)), table.Median(over) <= 1)
	return nil
}

// throughput beside the baseline.
func (b *bench) throughput() error {
	p, addresses, err := b.leaves(16)
	if err != nil {
		return err
	}
	defer p.stop()
	var rates, ratios, costs, costRatios []float64
	for range b.rounds {
		baseline, err := start(b.self, "-serve", strings.Join(addresses, ","))
		if err != nil {
			return err
		}
		baseRate, baseCost, err := rate(baseline.first, baseline.cmd.Process.Pid, b.round)
		baseline.stop()
		if err != nil {
			return fmt.Errorf("baseline: %w", err)
		}
		r, err := b.root(array, config.Policy{}, singles(addresses)...)
		if err != nil {
			return err
		}
		own, cost, err := rate(r.address, r.pid(), b.round)
		r.stop()
		if err != nil {
			return fmt.Errorf("gatherer: %w", err)
		}
		rates, ratios = append(rates, own), append(ratios, own/baseRate)
		costs, costRatios = append(costs, cost), append(costRatios, baseCost/cost)
	}
	b.table.Figure("requests/s to 16 leaves, 32 clients", table.Spread(rates))
	b.table.Target("the same beside errgroup and net/http", "1.5 times", fmt.Sprintf("%.2f times", table.Median(ratios)), table.Median(ratios) >= 1.5)
	b.table.Figure("root's CPU for a request, µs", table.Spread(costs))
	b.table.Figure("CPU for a request, baseline's to ours", fmt.Sprintf("%.2f times", table.Median(costRatios)))
	return nil
}

// rate of requests a second, and the CPU time of each in µs.
func rate(address string, pid int, d time.Duration) (perSecond, cost float64, err error) {
	warm := ask(address, 32, d/5)
	if err := warm.check("warming up"); err != nil {
		return 0, 0, err
	}
	used, begun := cpu(pid), time.Now()
	l := ask(address, 32, d)
	if err := l.check("load"); err != nil {
		return 0, 0, err
	}
	n := float64(len(l.times))
	return n / time.Since(begun).Seconds(), (cpu(pid) - used) / n * 1e6, nil
}

// cost of a leaf's answer. Each round measures all numbers of leaves, so that a machine that becomes slower is so for all.
func (b *bench) cost() error {
	numbers := []int{4, 16, 64, 256}
	costs := make([][]float64, len(numbers))
	var growth []float64 // from the fewest leaves to the most, by rounds
	for range b.rounds {
		for i, n := range numbers {
			each, err := b.costOf(n)
			if err != nil {
				return err
			}
			costs[i] = append(costs[i], each)
		}
		growth = append(growth, costs[len(numbers)-1][len(growth)]/costs[0][len(growth)])
	}
	var told []string
	for _, c := range costs {
		told = append(told, fmt.Sprintf("%.1f", table.Median(c)))
	}
	b.table.Figure("root's CPU for a leaf's answer, 4, 16, 64, 256 leaves", strings.Join(told, ", ")+" µs")
	b.table.Target("the same, of 256 leaves to 4", "flat: 1.25", fmt.Sprintf("%.2f times", table.Median(growth)), table.Median(growth) <= 1.25)
	return nil
}

// costOf the answer of one of n leaves, in µs of the root's CPU.
func (b *bench) costOf(n int) (float64, error) {
	p, addresses, err := b.leaves(n)
	if err != nil {
		return 0, err
	}
	defer p.stop()
	r, err := b.root(array, config.Policy{Deadline: config.Duration(10 * time.Second)}, singles(addresses)...)
	if err != nil {
		return 0, err
	}
	defer r.stop()
	_, cost, err := rate(r.address, r.pid(), b.round)
	return cost / float64(n), err
}

// hedge against 1 % of answers that stall.
func (b *bench) hedge() error {
	const leaves = 100
	var shards [][]string
	var stats []string
	var ps []*process
	defer func() {
		for _, p := range ps {
			p.stop()
		}
	}()
	shards = make([][]string, leaves)
	for range 2 { // replicas
		at := freeAddress()
		p, addresses, err := b.leaves(leaves, "-stall", "1", "-stall-for", "1s", "-delay", "5ms", "-stats", at)
		if err != nil {
			return err
		}
		ps, stats = append(ps, p), append(stats, at)
		for i, a := range addresses {
			shards[i] = append(shards[i], a)
		}
	}
	own := quick(ask(shards[0][0], 16, b.round))
	plain := config.Policy{Deadline: config.Duration(10 * time.Second)}
	hedged := plain
	hedged.Hedge = &config.Hedge{After: "p95", Budget: 0.05}
	var without, with, extra []float64
	for range b.rounds {
		for _, policy := range []config.Policy{plain, hedged} {
			r, err := b.root(array, policy, shards...)
			if err != nil {
				return err
			}
			warm := ask(r.address, 2, b.round)
			before := requests(stats)
			l := ask(r.address, 2, 3*b.round)
			after := requests(stats)
			r.stop()
			if err := errorsOf(warm.check("warming up"), l.check("hedge")); err != nil {
				return err
			}
			if policy.Hedge == nil {
				without = append(without, ms(l.quantile(0.99)))
				continue
			}
			with = append(with, ms(l.quantile(0.99)))
			extra = append(extra, 100*(float64(after-before)/float64(leaves*len(l.times))-1))
		}
	}
	b.table.Note("hedge: 100 leaves of 2 replicas, 1 %% of answers stall for 1 s; of the others p50 %.2f ms, p95 %.2f ms, p99 %.2f ms", ms(own.quantile(0.5)), ms(own.quantile(0.95)), ms(own.quantile(0.99)))
	b.table.Figure("p99 without hedges, ms", table.Spread(without))
	b.table.Figure("p99 with hedges, ms", table.Spread(with))
	ratio := table.Median(without) / table.Median(with)
	b.table.Target("p99 without to with hedges", "10 times", fmt.Sprintf("%.1f times", ratio), ratio >= 10)
	p99 := ms(own.quantile(0.99))
	b.table.Target("p99 with hedges to a leaf's own p99 without stalls", "2 times at most", fmt.Sprintf("%.2f times", table.Median(with)/p99), table.Median(with) <= 2*p99)
	b.table.Target("extra requests", "5 % at most", fmt.Sprintf("%.2f %%", table.Median(extra)), table.Median(extra) <= 5)
	return nil
}

func errorsOf(all ...error) error {
	for _, err := range all {
		if err != nil {
			return err
		}
	}
	return nil
}

// quick are those that did not stall.
func quick(l load) load {
	l.times = slices.DeleteFunc(l.times, func(d time.Duration) bool { return d > 500*time.Millisecond })
	return l
}

// requests that leaves have had, by what they tell.
func requests(stats []string) (n int) {
	for _, at := range stats {
		var told struct{ Requests int }
		if body, err := fetch("http://" + at + "/"); err == nil && json.Unmarshal(body, &told) == nil {
			n += told.Requests
		}
	}
	return n
}

// stream merges large streams.
func (b *bench) stream() error {
	const leaves, bytes = 100, 10 << 20
	p, err := start(b.self, "-stream", fmt.Sprintf("%dx%d", leaves, bytes))
	if err != nil {
		return err
	}
	defer p.stop()
	r, err := b.root(config.Merge{NDJSON: &config.NDJSON{By: "at"}}, config.Policy{Deadline: config.Duration(10 * time.Second)}, singles(strings.Split(p.first, ","))...)
	if err != nil {
		return err
	}
	defer r.stop()
	begun, used := time.Now(), cpu(r.pid())
	n, lines, err := drain("http://" + r.address + "/")
	if err != nil {
		return err
	}
	took := time.Since(begun)
	b.table.Note("stream: %d lines, %.0f MB in %s; %.2f CPU s of the root for a GB", lines, float64(n)/1e6, took.Round(time.Second/10), (cpu(r.pid())-used)/float64(n)*1e9)
	b.table.Target("memory while 100 sorted streams of 10 MB become one", "64 MiB", fmt.Sprintf("%.1f MiB", peak(r.pid())), peak(r.pid()) <= 64)
	return nil
}
