// Command queue measures the work queue beside the brokers that people use instead, on this machine, and prints a table:
// what, target, measured, verdict. A target that is missed is said so there; only what could not be measured is an error.
//
//	go run ./test/bench/queue [-parts durable,batches,claim,process,depth] [-rounds 3] [-round 3s] [-dir DIRECTORY]
//
// The parts:
//
//	durable  single enqueues of 256 bytes by 64 clients, each of which waits for its confirmation, on a disk that is
//	         waited for: the queue, RabbitMQ (durable classic queue; quorum queue), beanstalkd, Redis as Celery uses it
//	batches  enqueues of 100 items in one request
//	claim    the time from an enqueue until a worker that waits has the item
//	process  a trivial command for each item by the worker, beside xargs -P
//	depth    memory, and CPU time of an item's whole life, while 10^3, 10^4, 10^5 and 10^6 others wait
//
// Rounds of what is compared are interleaved, and the median counts. The server under measurement and its clients share
// the machine's cores. Needs Linux, gcc, and Debian's rabbitmq-server, beanstalkd and redis-server (scripts/bench.sh
// installs them).
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/test/bench/table"
)

type options struct {
	parts  string
	rounds int
	round  time.Duration
	dir    string
}

// A bench is one run: its options, its directory, and what it has found.
type bench struct {
	options
	dir   string
	queue string // binary
	table table.Table
}

func main() {
	b := &bench{}
	flag.StringVar(&b.parts, "parts", "durable,batches,claim,process,depth", "what is measured")
	flag.IntVar(&b.rounds, "rounds", 3, "of which the median counts")
	flag.DurationVar(&b.round, "round", 3*time.Second, "how long one is, where time is what ends it")
	flag.StringVar(&b.options.dir, "dir", os.TempDir(), "where the data are: a disk, not memory")
	flag.Parse()
	if err := b.run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run measures part by part. A part that fails leaves the others their turn.
func (b *bench) run() (err error) {
	if b.dir, err = os.MkdirTemp(b.options.dir, "bench-queue-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if err := os.Chmod(b.dir, 0o755); err != nil { // RabbitMQ is another user
		return err
	}
	if b.queue, err = build(b.dir, "queue"); err != nil {
		return err
	}
	load := table.LoadAverage()
	parts := strings.Split(b.parts, ",")
	var failed error
	for _, part := range []struct {
		name string
		run  func() error
	}{{"durable", b.durable}, {"batches", b.batches}, {"claim", b.claim}, {"process", b.process}, {"depth", b.depth}} {
		if !slices.Contains(parts, part.name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "%s ...\n", part.name)
		if err := part.run(); err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", part.name, err))
		}
	}
	fmt.Printf("load average: %s before, %s after\n", load, table.LoadAverage())
	b.table.Print(os.Stdout)
	return failed
}

// folder makes a directory of the run's.
func (b *bench) folder(name string) (string, error) {
	path := filepath.Join(b.dir, name)
	return path, os.MkdirAll(path, 0o755)
}
