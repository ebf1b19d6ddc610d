// Package queue treats the work queue as its worst day would: real servers, real workers, a disk that loses what was not
// synced, and every few moments one of them is killed. Afterwards each item that was acknowledged must have just one output.
package queue

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/config"
	workerconfig "github.com/container-patterns/terraform-provider-pattern/images/worker/config"
	"github.com/container-patterns/terraform-provider-pattern/test/peers"
	"github.com/container-patterns/terraform-provider-pattern/test/powerloss"
)

// Event is something that goes wrong.
type Event string

// The events. A server begins, each time, with a wall clock that was stepped.
const (
	KillServer   Event = "server killed"
	KillWorker   Event = "worker killed"
	KillDatabase Event = "database killed"
	CutPower     Event = "power cut"
	FillDisk     Event = "disk full"
)

// A Plan is what happens.
type Plan struct {
	Items int
	// Servers is their number, with PostgreSQL; without, there is one, with its own file.
	Postgres bool
	Servers  int
	// Events, one of which chance chooses about every Every.
	Events []Event
	Every  time.Duration
	// Step is how far a server's wall clock may be from the true one.
	Step time.Duration
	Seed int64
	// Sabotage of the server: "", "nofsync" or "nolease".
	Sabotage string
	// Within that everything must be done.
	Within time.Duration
}

// A Report is what came of it.
type Report struct {
	Findings
	Items  int
	Events map[Event]int
	Disk   powerloss.Stats
	Took   time.Duration
}

func (r Report) String() string {
	return fmt.Sprintf("%d items in %s (%.0f/s), %v, %d effects of hands and %d of processes, %d late acknowledgements refused; disk: %+v",
		r.Items, r.Took.Round(time.Second/10), float64(r.Items)/r.Took.Seconds(), r.Events, r.Effects, r.ProcessEffects, r.Refused, r.Disk)
}

const (
	visibility = 2 * time.Second
	hands      = 3 // of each stage
	batch      = 500
)

// stalled is how long nothing may happen, on a machine that is busy; with a sabotaged server it is the rule rather.
func (p *Plan) stalled() time.Duration {
	if p.Sabotage != "" {
		return 10 * time.Second
	}
	return time.Minute
}

// rig is everything that runs.
type rig struct {
	t        testing.TB
	plan     Plan
	random   *rand.Rand
	dir      string
	built    binaries
	disk     *powerloss.Disk
	database *peers.Postgres
	servers  []*process
	workers  []*process
	client   *client
	ledger   *ledger
	events   map[Event]int
}

// Run carries a plan out. An error means that the pipeline did not come to its end.
func Run(t testing.TB, plan Plan) (Report, error) {
	t.Helper()
	r := &rig{
		t: t, plan: plan, dir: t.TempDir(), ledger: newLedger(plan.Items), events: map[Event]int{},
		random: rand.New(rand.NewPCG(uint64(plan.Seed), 1)), //nolint:gosec // the same seed, the same choices
	}
	r.disk = powerloss.Mount(t, plan.Seed)
	r.built = build(t, plan.Sabotage)
	r.prepare()
	began := time.Now()
	err := r.run()
	report := Report{Items: plan.Items, Events: r.events, Took: time.Since(began), Disk: r.disk.Stats()}
	if err != nil {
		return report, err
	}
	report.Findings, err = r.check()
	return report, err
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) file(name, content string) string {
	path := filepath.Join(r.dir, name)
	r.must(os.WriteFile(path, []byte(content), 0o600))
	return path
}

// prepare writes configurations, and starts the database.
func (r *rig) prepare() {
	stage := func(from string) config.Stage {
		return config.Stage{
			From: []string{from}, Visibility: config.Duration(visibility), MaxAttempts: 100,
			Backoff: config.Backoff{Min: config.Duration(10 * time.Millisecond), Max: config.Duration(50 * time.Millisecond)},
		}
	}
	c := config.Config{
		Tokens: config.Tokens{ClientFile: r.file("client", clientToken), WorkerFile: r.file("worker", workerToken)},
		Store:  config.Store{Embedded: &config.Embedded{Directory: filepath.Join(r.disk.Path, "queue")}},
		Stages: map[string]config.Stage{stageA: stage(config.Source), stageB: stage(stageA)},
	}
	c.Identity.Instance, c.Management.Address = "fault", "127.0.0.1:0"
	servers := 1
	if r.plan.Postgres {
		for dir := filepath.Dir(r.disk.Path); len(dir) > len(os.TempDir()); dir = filepath.Dir(dir) {
			r.must(os.Chmod(dir, 0o755)) //nolint:gosec // the database is another user's
		}
		r.database = peers.NewPostgres(r.t, filepath.Join(r.disk.Path, "data"))
		c.Store = config.Store{Postgres: &config.Postgres{URLFile: r.file("url", r.database.URL)}}
		c.Payloads.URL = "file://" + filepath.Join(r.dir, "payloads")
		r.must(os.Mkdir(filepath.Join(r.dir, "payloads"), 0o700))
		servers = r.plan.Servers
	}
	var addresses []string
	for i := range servers {
		c.Listen = fmt.Sprintf("127.0.0.1:%d", peers.FreePort(r.t))
		addresses = append(addresses, c.Listen)
		r.servers = append(r.servers, newProcess(r.t, r.dir, fmt.Sprintf("queue-%d", i), r.built.queue, c))
	}
	r.client = newClient(addresses)
	endpoints := ""
	for _, address := range addresses {
		endpoints += address + "\n"
	}
	endpoints = r.file("endpoints", endpoints)
	for i, stage := range []string{stageA, stageB} {
		name := "worker-" + stage
		own := workerconfig.Config{
			Stage: stage, Command: []string{r.built.step, r.effects(stage)},
			Queue:   workerconfig.Queue{EndpointsFile: endpoints, TokenFile: filepath.Join(r.dir, "worker")},
			WorkDir: filepath.Join(r.dir, "work-"+stage),
		}
		own.Management.Address = "127.0.0.1:0"
		w := newProcess(r.t, r.dir, name, r.built.worker, own)
		w.env = []string{fmt.Sprintf("PATTERN_INDEX=%d", hands+i)}
		r.workers = append(r.workers, w)
	}
}

// effects is where the command of a stage keeps its record.
func (r *rig) effects(stage string) string { return filepath.Join(r.dir, "effects-"+stage) }

// run until all items are done, or nothing is left to do.
func (r *rig) run() error {
	for _, s := range r.servers {
		if err := r.up(s); err != nil {
			return err
		}
	}
	for _, w := range r.workers {
		if err := w.start(); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeoutCause(r.t.Context(), r.plan.Within, fmt.Errorf("not done after %s", r.plan.Within))
	defer cancel()
	working, stop := context.WithCancel(ctx)
	var group sync.WaitGroup
	for _, stage := range []string{stageA, stageB} {
		for i := range hands {
			h := &hand{
				client: r.client, ledger: r.ledger, stage: stage, name: fmt.Sprintf("hand-%s-%d", stage, i), index: i,
				random: rand.New(rand.NewPCG(uint64(r.plan.Seed), uint64(i+10))), //nolint:gosec // as above
				late:   visibility * 3 / 2, wait: time.Second,
			}
			group.Go(func() { h.run(working) })
		}
	}
	done := make(chan error, 1)
	group.Go(func() {
		err := push(working, r.client, r.ledger, batch)
		if err == nil {
			err = r.await(working)
		}
		done <- err
	})
	err := r.torment(ctx, done)
	stop()
	group.Wait()
	for _, w := range r.workers {
		w.kill()
	}
	return err
}

// await until nothing is left to do.
func (r *rig) await(ctx context.Context) error {
	for {
		var status api.Status
		if err := r.client.call(ctx, http.MethodGet, "/v1/status", clientToken, nil, &status); err == nil {
			left := int64(0)
			for _, stage := range status.Stages {
				for state, n := range stage.Counts {
					if state != api.Done && state != api.Dead {
						left += n
					}
				}
			}
			if left == 0 {
				return nil
			}
		}
		pause(ctx, 50*time.Millisecond)
		if ctx.Err() != nil {
			return errors.Join(context.Cause(ctx), ctx.Err())
		}
	}
}
