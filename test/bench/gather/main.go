// Command gather measures the gatherer beside a scatter/gather as one writes it in an afternoon (package baseline), on this
// machine, and prints a table: what, target, measured, verdict. A target that is missed is said so there; only what could not be
// measured is an error.
//
//	go run ./test/bench/gather [-parts overhead,throughput,cost,hedge,stream] [-rounds 3] [-round 3s]
//
// The parts:
//
//	overhead    the root's own part of the time of a request to 16 leaves that take 5 ms each
//	throughput  requests to 16 leaves by 32 clients, and the CPU time of the root for them, beside the baseline
//	cost        CPU time of the root for a leaf's answer, with 4, 16, 64 and 256 leaves
//	hedge       100 leaves of two replicas, 1 % of whose answers stall for 1 s: p99 with and without hedges, and extra requests
//	stream      100 sorted streams of 10 MB merged into one: memory of the root
//
// Rounds of what is compared are interleaved, and the median counts. Roots, leaves and clients share the machine's cores.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/test/bench/gather/baseline"
	"github.com/container-patterns/terraform-provider-pattern/test/bench/table"
)

type bench struct {
	parts  string
	rounds int
	round  time.Duration
	dir    string
	table  table.Table
	// binaries
	gatherer, leaf, self string
}

func main() {
	b := &bench{}
	serve := flag.String("serve", "", "be the baseline of these leaves (the bench's own)")
	stream := flag.String("stream", "", "be so many leaves that stream, LEAVESxBYTES (the bench's own)")
	flag.StringVar(&b.parts, "parts", "overhead,throughput,cost,hedge,stream", "what is measured")
	flag.IntVar(&b.rounds, "rounds", 3, "of which the median counts")
	flag.DurationVar(&b.round, "round", 3*time.Second, "how long one is, where time is what ends it")
	flag.Parse()
	var err error
	switch {
	case *serve != "":
		err = serveOne(baseline.New(strings.Split(*serve, ","), 10*time.Second))
	case *stream != "":
		err = serveStreams(*stream)
	default:
		err = b.run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run measures part by part. A part that fails leaves the others their turn.
func (b *bench) run() (err error) {
	if b.dir, err = os.MkdirTemp("", "bench-gather-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	for binary, pkg := range map[*string]string{&b.gatherer: "images/gatherer", &b.leaf: "test/bench/gather/leaf"} {
		if *binary, err = build(b.dir, pkg); err != nil {
			return err
		}
	}
	load := table.LoadAverage()
	parts := strings.Split(b.parts, ",")
	var failed error
	for _, part := range []struct {
		name string
		run  func() error
	}{{"overhead", b.overhead}, {"throughput", b.throughput}, {"cost", b.cost}, {"hedge", b.hedge}, {"stream", b.stream}} {
		if !slices.Contains(parts, part.name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "%s ...\n", part.name)
		if err := part.run(); err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", part.name, err))
		}
	}
	b.table.Print(os.Stdout)
	fmt.Printf("load average before: %s; %d rounds of %s; median (least to most)\n", load, b.rounds, b.round)
	return failed
}
