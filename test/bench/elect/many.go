package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/api"
	"github.com/container-patterns/terraform-provider-pattern/images/elector/config"
)

const (
	// shards are the thousand elections, in one set.
	shards = 1000
	set    = "set"
	// named are as many elections as there may be by name.
	named = config.MaxElections
	// askEvery is how often an elector is asked while calls and CPU time are counted.
	askEvery = 50 * time.Millisecond
	// pausing between the last change of leaders and the first measurement.
	pausing = 5 * time.Second
)

// many elections: electors of all backends at once, then client-go by itself, as it has much to do.
func (b *bench) many() error {
	b.table.Note("many: lease default, %s; each elector is asked %d times a second meanwhile; memory and CPU time are those of the elector that has the most, calls the mean of all; raft counts its own, not what it replicates", b.window, time.Second/askEvery)
	thousand := config.Config{Sets: map[string]int{set: shards}}
	thirty := config.Config{}
	for i := range named {
		thirty.Elections = append(thirty.Elections, fmt.Sprint("e", i))
	}
	var failed error
	for _, at := range b.backends {
		var all []func() (func(), error)
		add := func(what string, c config.Config, n int) {
			all = append(all, func() (func(), error) { return b.crowd(at, what, c, n) })
		}
		if at != (raft{}) { // of which there are three at least
			add("1,000 elections, one elector", thousand, 1)
		}
		add("1,000 elections, three electors", thousand, electors)
		add(fmt.Sprint(named, " elections by name, three electors"), thirty, electors)
		failed = errors.Join(failed, b.together(all...))
	}
	if b.peer != "" {
		failed = errors.Join(failed, b.crowdOfPeers())
	}
	return failed
}

// crowd of elections.
func (b *bench) crowd(at backend, what string, c config.Config, n int) (rows func(), err error) {
	what = fmt.Sprintf("%s, %s", at, what)
	say("%s", what)
	all, counter, err := b.newElectors(at, strings.NewReplacer(",", "", " ", "-").Replace(what), c, n, true)
	if err != nil {
		return nil, err
	}
	if counter != nil {
		defer counter.close()
	}
	var processes []*process
	for _, e := range all {
		p, err := e.start(1)
		if err != nil {
			return nil, err
		}
		defer p.kill()
		processes = append(processes, p)
	}
	if err := wait(func() bool { return shared(all, c) }); err != nil {
		return nil, fmt.Errorf("%s: %w: %s", what, err, processes[0].tail())
	}
	<-time.After(pausing)
	first, calls, before := most(processes, (*process).resident), callsOf(all), used(processes)
	var requests, watches int64
	if counter != nil {
		requests, watches = counter.requests.Load(), counter.watches.Load()
	}
	begun, stop := time.Now(), askAll(all, c)
	<-time.After(b.window)
	stop()
	seconds := time.Since(begun).Seconds()
	memory := max(first, most(processes, (*process).resident))
	rate := (callsOf(all) - calls) / seconds / float64(n)
	told := fmt.Sprintf("%.1f, as they count themselves", rate)
	if counter != nil {
		rate = float64(counter.requests.Load()-requests) / seconds / float64(n)
		told = fmt.Sprintf("%.1f, of which %.1f watches; %d open in all", rate, float64(counter.watches.Load()-watches)/seconds/float64(n), counter.open.Load())
	}
	busy := 0.0
	for i, p := range processes {
		busy = max(busy, (p.cpu()-before[i])/seconds*60)
	}
	return func() {
		b.table.Target(what+": memory", "30 MiB", fmt.Sprintf("%.1f MiB, at first %.1f", memory, first), memory <= 30)
		b.table.Target(what+": calls/s of one", "20", told, rate <= 20)
		b.table.Figure(what+": CPU s a minute", fmt.Sprintf("%.2f", busy))
	}, nil
}

func wait(holds func() bool) error {
	tick := time.NewTicker(10 * look)
	defer tick.Stop()
	for end := time.Now().Add(patience); !holds(); <-tick.C {
		if time.Now().After(end) {
			return fmt.Errorf("it has not settled after %s", patience)
		}
	}
	return nil
}

// shared tells whether all electors are ready, all elections have leaders, and those of a set are shared out evenly.
func shared(all []*elector, c config.Config) bool {
	led := 0
	for _, e := range all {
		if !e.ready() {
			return false
		}
		for _, name := range c.Elections {
			var is api.Election
			if get(e.url("/v1/elections/"+name), &is) && is.Self {
				led++
			}
		}
		var is api.Set
		if len(c.Sets) > 0 {
			if !get(e.url("/v1/election-sets/"+set), &is) || len(is.Own) < c.Sets[set]/len(all) {
				return false
			}
			led += len(is.Own)
		}
	}
	return led == len(c.Elections)+c.Sets[set]
}

// askAll electors who leads, each again and again, until it is stopped.
func askAll(all []*elector, c config.Config) (stop func()) {
	done := make(chan struct{})
	var group sync.WaitGroup
	for _, e := range all {
		group.Go(func() {
			tick := time.NewTicker(askEvery)
			defer tick.Stop()
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				case <-tick.C:
				}
				path := fmt.Sprintf("/v1/election-sets/%s/%d", set, i%shards)
				if n := len(c.Elections); n > 0 {
					path = "/v1/elections/" + c.Elections[i%n]
				}
				var is api.Election
				get(e.url(path), &is) // only to ask
			}
		})
	}
	return func() { close(done); group.Wait() }
}

var callLine = regexp.MustCompile(`(?m)^elector_backend_calls_total\{.*\} (\S+)$`)

// callsOf electors, as they count them.
func callsOf(all []*elector) (n float64) {
	for _, e := range all {
		response, err := http.Get("http://" + e.config.Management.Address + "/metrics") //nolint:gosec // the bench's own
		if err != nil {
			continue // it is gone, which shows elsewhere
		}
		text, _ := io.ReadAll(response.Body)
		response.Body.Close()
		for _, line := range callLine.FindAllStringSubmatch(string(text), -1) {
			v, _ := strconv.ParseFloat(line[1], 64)
			n += v
		}
	}
	return n
}

func most(all []*process, of func(*process) float64) float64 {
	var values []float64
	for _, p := range all {
		values = append(values, of(p))
	}
	return slices.Max(values)
}

func used(all []*process) (cpu []float64) {
	for _, p := range all {
		cpu = append(cpu, p.cpu())
	}
	return cpu
}

// crowdOfPeers is a thousand elections of client-go in one process.
func (b *bench) crowdOfPeers() error {
	what := fmt.Sprintf("%s, 1,000 elections, one process", usual)
	say("%s", what)
	counter, account, err := b.cluster.count("crowd")
	if err != nil {
		return err
	}
	defer counter.close()
	crowd := b.newPeer(counter.url, account, "crowd", shards, 0, usual)
	p, err := crowd.start(1)
	if err != nil {
		return err
	}
	defer p.kill()
	var mu sync.Mutex
	led := 0
	go crowd.follow(p, func(leads bool) {
		mu.Lock()
		defer mu.Unlock()
		if leads {
			led++
		}
	})
	if err := wait(func() bool { mu.Lock(); defer mu.Unlock(); return led == shards }); err != nil {
		return fmt.Errorf("%s: %w: %s", what, err, p.tail())
	}
	<-time.After(pausing)
	first, requests, cpu, begun := p.resident(), counter.requests.Load(), p.cpu(), time.Now()
	<-time.After(b.window)
	seconds := time.Since(begun).Seconds()
	b.table.Figure(what+": memory", fmt.Sprintf("%.1f MiB, at first %.1f", p.resident(), first))
	b.table.Figure(what+": calls/s", fmt.Sprintf("%.1f", float64(counter.requests.Load()-requests)/seconds))
	b.table.Figure(what+": CPU s a minute", fmt.Sprintf("%.2f", (p.cpu()-cpu)/seconds*60))
	return nil
}
