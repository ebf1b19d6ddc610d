// Command elect measures the electors beside client-go's leader election, on this machine, and prints a table: what, target,
// measured, verdict. A target that is missed is said so there; only what could not be measured is an error.
//
//	go run ./test/bench/elect [-parts handover,crash,many,relay] [-only kubernetes,nomad,raft,client-go] [-rounds 7] [-window 30s]
//
// The parts:
//
//	handover  a leader resigns, resigns in favour of an heir, or is ended by SIGTERM: until another one leads
//	crash     a leader is killed: until another one leads, with the leases fast (2 s) and default (6 s), beside client-go
//	          with 15 s / 10 s / 2 s (the defaults of Kubernetes' own programs) and 60 s / 15 s / 5 s (those of its example)
//	many      1,000 elections in one elector, and shared by three; 32 elections by name: memory, calls of the backend as the
//	          backend sees them, CPU time, beside 1,000 elections of client-go in one process
//	relay     the cost of a connection, and how quickly bytes pass: directly, by the leader, by another elector
//
// Electors are processes, three of which make an electorate; five of those are measured side by side, as they mostly wait. A
// round has three handovers of each kind, and a crash with each lease, in each electorate. What they say is read as it is sent
// (GET .../watch), so all times are those of an application that follows its elector.
//
// Kubernetes and Nomad are those of the environment (KUBECONFIG, NOMAD_ADDR), which test/engines/engines.sh brings up; without
// them there is only raft, which needs none. All share the machine's cores.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/test/bench/table"
)

// A bench is one run: its options, its directory, and what it has found.
type bench struct {
	parts, only string
	rounds      int
	window      time.Duration
	dir         string
	table       table.Table
	backends    []backend
	cluster     *cluster // nil without Kubernetes
	// p50 of what is compared.
	p50 map[string]time.Duration
	// binaries; no peer without Kubernetes
	elector, peer string
}

func main() {
	b := &bench{p50: map[string]time.Duration{}}
	flag.StringVar(&b.parts, "parts", "handover,crash,many,relay", "what is measured")
	flag.StringVar(&b.only, "only", "kubernetes,nomad,raft,client-go", "what it is measured of")
	flag.IntVar(&b.rounds, "rounds", 7, "of handovers and crashes")
	flag.DurationVar(&b.window, "window", 30*time.Second, "how long calls and CPU time of many elections are counted")
	flag.Parse()
	if err := b.run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run measures part by part. A part that fails leaves the others their turn.
func (b *bench) run() (err error) {
	if b.dir, err = os.MkdirTemp("", "bench-elect-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if b.elector, err = build(b.dir, ".", "images/elector"); err != nil {
		return err
	}
	end, err := b.reach()
	defer end()
	if err != nil {
		return err
	}
	load := table.LoadAverage()
	var failed error
	for _, part := range []struct {
		name string
		run  func() error
	}{{"handover", b.handover}, {"crash", b.crash}, {"many", b.many}, {"relay", b.relay}} {
		if !slices.Contains(strings.Split(b.parts, ","), part.name) {
			continue
		}
		say("%s ...", part.name)
		if err := part.run(); err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", part.name, err))
		}
	}
	fmt.Printf("load average: %s before, %s after\n", load, table.LoadAverage())
	b.table.Print(os.Stdout)
	return failed
}

// reach the backends that there are, and compile the peer if it has one. What it gives removes what was made there.
func (b *bench) reach() (end func(), err error) {
	var ends []func()
	end = func() {
		for _, e := range ends {
			e()
		}
	}
	const up = `test/engines/engines.sh up %s, and eval "$(test/engines/engines.sh env)"`
	wants := func(name string) bool { return slices.Contains(strings.Split(b.only, ","), name) }
	switch {
	case !wants("kubernetes") && !wants("client-go"):
	case os.Getenv("KUBECONFIG") == "":
		b.table.Note("without Kubernetes, and so without client-go: "+up, "kubernetes")
	default:
		if b.cluster, err = newCluster(b.dir); err != nil {
			return end, err
		}
		ends = append(ends, b.cluster.remove)
		if wants("kubernetes") {
			b.backends = append(b.backends, b.cluster)
		}
		if wants("client-go") {
			if b.peer, err = build(b.dir, "test/bench/elect/peer", "."); err != nil {
				return end, err
			}
		}
	}
	switch {
	case !wants("nomad"):
	case os.Getenv("NOMAD_ADDR") == "":
		b.table.Note("without Nomad: "+up, "nomad")
	default:
		n, err := newNomad()
		if err != nil {
			return end, err
		}
		ends = append(ends, n.remove)
		b.backends = append(b.backends, n)
	}
	if wants("raft") {
		b.backends = append(b.backends, raft{})
	}
	return end, nil
}

// say how far it is.
func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format("15:04:05 ")+format+"\n", args...)
}
