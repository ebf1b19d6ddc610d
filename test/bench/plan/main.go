// Command plan measures `terraform plan` over many instances in one state, on each engine that is in the environment
// (test/engines/engines.sh env), and prints a table: seconds of the plan, requests to the engine for each instance.
//
//	go run ./test/bench/plan [-instances 500] [-provider build/bin/terraform-provider-pattern]
//
// The instances have no replicas, so that only the API is at work. It needs terraform, and kubectl or nomad, in PATH.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"text/tabwriter"
	"time"
)

// Targets of the project.
const (
	targetPlan     = 15 * time.Second // for 500 instances
	targetRequests = 3                // for each instance
)

func main() {
	instances := flag.Int("instances", 500, "how many")
	provider := flag.String("provider", "build/bin/terraform-provider-pattern", "the provider's binary")
	flag.Parse()
	if err := run(os.Stdout, *instances, *provider); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// A figure is one row of the table.
type figure struct {
	engine   string
	made     time.Duration
	planned  time.Duration
	requests float64 // for each instance
}

// run measures on each engine. It is an error if a target is missed.
func run(out io.Writer, instances int, provider string) error {
	provider, err := filepath.Abs(provider)
	if err != nil {
		return err
	}
	if _, err := os.Stat(provider); err != nil {
		return fmt.Errorf("%w: run make build", err)
	}
	var figures []figure
	var failed error
	for _, e := range engines() {
		if os.Getenv(e.needs) == "" {
			fmt.Fprintf(os.Stderr, "%s is left out: %s is not set (test/engines/engines.sh up %s, then eval \"$(test/engines/engines.sh env)\")\n", e.name, e.needs, e.name)
			continue
		}
		f, err := measure(e, instances, provider)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", e.name, err))
			continue
		}
		figures = append(figures, f)
	}
	if len(figures) == 0 {
		return errors.Join(failed, errors.New("there is no engine to measure on"))
	}
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintf(table, "%d instances on\tterraform plan\ttarget\trequests an instance\ttarget\t(made in)\n", instances)
	missed := false
	for _, f := range figures {
		fmt.Fprintf(table, "%s\t%.1f s\t<= %.0f s\t%.2f\t<= %d\t%.0f s\n", f.engine, f.planned.Seconds(), targetPlan.Seconds(), f.requests, targetRequests, f.made.Seconds())
		missed = missed || f.planned > targetPlan || f.requests > targetRequests
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if missed {
		failed = errors.Join(failed, errors.New("a target is missed"))
	}
	return failed
}

// parallelism of what is made for the plan, and removed after it; the plan itself goes by Terraform's default.
const parallelism = "-parallelism=10"

// measure one engine: the best of three plans, and the requests of one more by way of a proxy, which takes time itself.
func measure(e engine, instances int, provider string) (f figure, err error) {
	dir, err := os.MkdirTemp("", "bench-plan-")
	if err != nil {
		return f, err
	}
	defer os.RemoveAll(dir)
	namespace := fmt.Sprintf("bench-plan-%d", os.Getpid())
	if err := e.makeNamespace(namespace); err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, e.removeNamespace(namespace)) }()
	w := workspace{dir: dir, provider: provider, instances: instances}
	if err := w.prepare(); err != nil {
		return f, err
	}
	f.engine = e.name
	if err := w.write(e.name, e.direct(namespace)); err != nil {
		return f, err
	}
	defer func() {
		err = errors.Join(err, w.write(e.name, e.direct(namespace)))
		_, destroyErr := w.terraform("destroy", "-auto-approve", "-refresh=false", parallelism)
		err = errors.Join(err, destroyErr)
	}()
	if f.made, err = w.terraform("apply", "-auto-approve", parallelism); err != nil {
		return f, err
	}
	for range 3 {
		took, err := w.terraform("plan", "-detailed-exitcode")
		if err != nil {
			return f, err
		}
		if f.planned == 0 || took < f.planned {
			f.planned = took
		}
	}
	counter, err := count(e)
	if err != nil {
		return f, err
	}
	defer counter.close()
	if err := w.write(e.name, e.through(counter.url, namespace)); err != nil {
		return f, err
	}
	if _, err := w.terraform("plan", "-detailed-exitcode"); err != nil {
		return f, err
	}
	f.requests = float64(counter.requests.Load()) / float64(instances)
	return f, nil
}

func command(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return nil
}
