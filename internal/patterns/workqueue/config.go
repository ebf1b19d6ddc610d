package workqueue

import (
	"encoding/json"
	"fmt"

	queue "github.com/container-patterns/terraform-provider-pattern/images/queue/config"
	worker "github.com/container-patterns/terraform-provider-pattern/images/worker/config"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/framework"
	"github.com/container-patterns/terraform-provider-pattern/internal/patterns/workload"
)

// Where things are in the containers, and the ports on which they listen.
const (
	binFolder       = "/pattern/bin"
	configFolder    = "/pattern/config"
	configFile      = "config.yaml"
	tokenFolder     = "/pattern/token"
	endpointsFolder = "/pattern/endpoints"
	workFolder      = "/pattern/work"
	dataFolder      = "/data"
	clientFolder    = "/pattern/tokens/client"
	workerFolder    = "/pattern/tokens/worker"
	databaseFolder  = "/pattern/database"

	tokenKey      = "token"
	endpointsFile = "queue"

	apiPort              = 8080
	queueManagementPort  = 9464
	workerManagementPort = 9590
)

// Names of the secrets that the instance makes for itself.
const (
	ClientToken = "client-token"
	WorkerToken = "worker-token"
)

// duration of an attribute that may not be given; zero leaves it to the default of who reads the file.
func duration(d *workload.Duration) queue.Duration {
	if d == nil {
		return 0
	}
	return queue.Duration(*d)
}

// config is the file that the server reads. It has its defaults.
func (s *Spec) config() *queue.Config {
	c := &queue.Config{
		Listen: fmt.Sprintf(":%d", apiPort),
		Tokens: queue.Tokens{ClientFile: clientFolder + "/" + tokenKey, WorkerFile: workerFolder + "/" + tokenKey},
		Store:  queue.Store{Embedded: &queue.Embedded{Directory: dataFolder}},
		Stages: map[string]queue.Stage{},
	}
	c.Identity.Pattern, c.Identity.Instance, c.Identity.Namespace, c.Identity.Container = Name, s.Name, s.Namespace, workload.MainName
	c.Management.Address = fmt.Sprintf(":%d", queueManagementPort)
	c.Lifecycle.Grace = queue.Duration(framework.Grace(s.queueEnding()))
	if p := s.postgres(); p != nil {
		c.Store = queue.Store{Postgres: &queue.Postgres{URLFile: databaseFolder + "/" + p.URL.Key, Schema: p.Schema}}
	}
	if p := s.Payloads; p != nil {
		c.Payloads = queue.Payloads{URL: p.URL, Prefix: p.Prefix, InlineBytes: int(p.InlineBytes)}
	}
	groups := map[string]string{}
	for name, stage := range s.Stages {
		c.Stages[name] = stage.config()
		if stage.scaled() {
			groups[name] = name
		}
	}
	if len(groups) > 0 {
		c.Scale = &queue.Scale{Instance: s.Name, Groups: groups}
	}
	if in := s.Source; in != nil {
		c.Input = in.config()
	}
	if s.Sink != nil && s.Sink.Bucket != nil {
		c.Sink = &queue.Sink{URL: s.Sink.Bucket.URL, Prefix: s.Sink.Bucket.Prefix}
	}
	if q := s.Queue; q != nil {
		c.Retention, c.DeduplicationWindow = duration(q.Retention), duration(q.DeduplicationWindow)
		if l := q.Limits; l != nil {
			c.Limits = queue.Limits{ItemBytes: int64(l.ItemSize), BodyBytes: int64(l.BodySize), Batch: l.Batch, RequestsPerSecond: l.RequestsPerSecond, Connections: l.Connections}
		}
	}
	c.SetDefaults()
	return c
}

func (s *Stage) config() queue.Stage {
	c := queue.Stage{From: s.From, Timeout: duration(s.Timeout), Visibility: duration(s.Visibility), MaxAttempts: s.MaxAttempts}
	if b := s.Backoff; b != nil {
		c.Backoff = queue.Backoff{Min: duration(b.Min), Max: duration(b.Max)}
	}
	if w := s.Workers; w != nil {
		c.Workers = queue.Workers{Min: w.Min, Max: w.Max, Concurrency: w.Concurrency, TargetWait: duration(w.TargetWait), ScaleInAfter: duration(w.ScaleInAfter)}
	}
	return c
}

// bounds of the number of workers, with the defaults.
func (s *Stage) bounds() (least, most int) {
	c := queue.Config{Stages: map[string]queue.Stage{"stage": s.config()}}
	c.SetDefaults()
	w := c.Stages["stage"].Workers
	return *w.Min, *w.Max
}

// scaled tells whether the number of workers is the server's to decide.
func (s *Stage) scaled() bool {
	least, most := s.bounds()
	return least < most
}

func (in *Source) config() queue.Input {
	out := queue.Input{List: in.List}
	if b := in.Bucket; b != nil {
		out.Bucket = &queue.BucketSource{URL: b.URL, Prefix: b.Prefix, Watch: duration(b.Watch)}
	}
	if h := in.HTTP; h != nil {
		out.HTTP = &queue.HTTPSource{URL: h.URL, Watch: duration(h.Watch)}
	}
	for _, s := range in.Schedule {
		out.Schedule = append(out.Schedule, queue.Schedule(s))
	}
	return out
}

// workerConfig is the file that the workers of a stage read. It has its defaults.
func (s *Spec) workerConfig(name string) *worker.Config {
	stage := s.Stages[name]
	c := &worker.Config{
		Stage:   name,
		Queue:   worker.Queue{EndpointsFile: endpointsFolder + "/" + endpointsFile, TokenFile: tokenFolder + "/" + tokenKey},
		Mode:    stage.Mode,
		Command: append(append([]string{}, stage.Command...), stage.Args...),
		Timeout: duration(stage.Timeout), KillAfter: duration(stage.KillAfter),
		WorkDir: workFolder, IndexEnv: envIndex,
	}
	c.Identity.Pattern, c.Identity.Instance, c.Identity.Namespace, c.Identity.Container = Name, s.Name, s.Namespace, workload.MainName
	c.Management.Address = fmt.Sprintf(":%d", workerManagementPort)
	w := stage.workload(nil)
	c.Lifecycle.Grace = worker.Duration(framework.Grace(w.Ending()))
	if h := stage.HTTP; h != nil {
		c.HTTP = &worker.HTTP{Port: h.Port, Path: h.Path, ReadyPath: h.ReadyPath}
	}
	if stage.Workers != nil {
		c.Concurrency = stage.Workers.Concurrency
	}
	if e := stage.ExitCodes; e != nil {
		c.ExitCodes = worker.ExitCodes{Done: e.Done, Retry: e.Retry}
	}
	c.SetDefaults()
	return c
}

func file(v any) map[string]string {
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil { // plain data
		panic(err)
	}
	return map[string]string{configFile: string(raw) + "\n"}
}
