package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/images/worker/config"
	"github.com/container-patterns/terraform-provider-pattern/test/bench/table"
)

// Commands in a round, how many at once, and the target as a part of xargs' rate; aim is what is hoped for.
const (
	commands      = 5000
	concurrency   = 2
	targetProcess = 0.6
	aimProcess    = 0.9
)

// process compares a process for each item with a process for each line.
func (b *bench) process() error {
	command := filepath.Join(b.dir, "true")
	if out, err := exec.Command("gcc", "-O2", "-static", "-o", command, "images/worker/testdata/true.c").CombinedOutput(); err != nil {
		return fmt.Errorf("compile the command: %w\n%s", err, out)
	}
	worker, err := build(b.dir, "worker")
	if err != nil {
		return err
	}
	s, err := b.startServer("queue-process")
	if err != nil {
		return err
	}
	defer s.kill()
	memory, err := os.MkdirTemp("/dev/shm", "bench-queue-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(memory)
	var theirs, ours, ratios, inMemory, server, workers []float64
	for round := range b.rounds {
		xargs, err := xargs(command)
		if err != nil {
			return err
		}
		dir, err := b.folder(fmt.Sprintf("worker-%d", round))
		if err != nil {
			return err
		}
		rate, serverCPU, workerCPU, err := b.work(s, dir, worker, command)
		if err != nil {
			return err
		}
		other, _, _, err := b.work(s, memory, worker, command)
		if err != nil {
			return err
		}
		inMemory = append(inMemory, other/xargs)
		theirs, ours, ratios = append(theirs, xargs), append(ours, rate), append(ratios, rate/xargs)
		server, workers = append(server, serverCPU/commands*1e6), append(workers, workerCPU/commands*1e6)
	}
	b.table.Target(fmt.Sprintf("process: %d commands, %d at once: part of xargs' rate", commands, concurrency), fmt.Sprintf(">= %.1f (aim %.1f)", targetProcess, aimProcess),
		fmt.Sprintf("%.2f; worker %s/s, xargs -P %d %s/s; CPU us an item: server %.0f, worker without commands %.0f",
			table.Median(ratios), table.Spread(ours), concurrency, table.Spread(theirs), table.Median(server), table.Median(workers)), table.Median(ratios) >= targetProcess)
	b.table.Figure("process: the same, the worker's folder in memory", fmt.Sprintf("%.2f", table.Median(inMemory)))
	return nil
}

// work enqueues, and starts a worker with its files in a directory; it gives commands a second, from the start of the
// worker on, and seconds of CPU.
func (b *bench) work(s *server, dir, worker, command string) (rate, server, own float64, err error) {
	if _, _, _, _, err := s.push(items(batchItems), batchItems, func(begun int, _ time.Time) bool { return begun < commands }); err != nil {
		return 0, 0, 0, err
	}
	looking, err := s.client("client")
	if err != nil {
		return 0, 0, 0, err
	}
	defer looking.close()
	var status api.Status
	if err := looking.get("/v1/status", &status); err != nil {
		return 0, 0, 0, err
	}
	want := status.Stages[0].Counts[api.Done] + commands
	c := config.Config{
		Stage: "stage", Command: []string{command}, Concurrency: concurrency, WorkDir: filepath.Join(dir, "work"),
		Queue: config.Queue{EndpointsFile: filepath.Join(dir, "endpoints"), TokenFile: filepath.Join(s.dir, "worker")},
	}
	c.Management.Address = "127.0.0.1:0"
	data, err := json.Marshal(c)
	if err != nil {
		return 0, 0, 0, err
	}
	for name, content := range map[string][]byte{"endpoints": []byte(s.address + "\n"), "config.json": data} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return 0, 0, 0, err
		}
	}
	cmd := exec.Command(worker, "-config", filepath.Join(dir, "config.json"))
	cmd.Env = append(os.Environ(), "PATTERN_INDEX=0")
	before, began := s.cpu(), time.Now()
	p, err := b.start("worker", cmd, func() bool { return true })
	if err != nil {
		return 0, 0, 0, err
	}
	defer p.kill()
	for {
		if err := looking.get("/v1/status", &status); err != nil {
			return 0, 0, 0, err
		}
		if status.Stages[0].Counts[api.Done] == want {
			break
		}
		if time.Since(began) > startTimeout {
			return 0, 0, 0, fmt.Errorf("of %d items are %v after %s: %s", want, status.Stages[0].Counts, startTimeout, p.tail())
		}
		<-time.After(10 * time.Millisecond)
	}
	return commands / time.Since(began).Seconds(), (s.cpu() - before).Seconds(), p.cpu().Seconds(), nil
}

// xargs gives how many commands a second it runs.
func xargs(command string) (float64, error) {
	cmd := exec.Command("xargs", "-n", "1", "-P", strconv.Itoa(concurrency), command)
	cmd.Stdin = strings.NewReader(strings.Repeat("x\n", commands))
	began := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("xargs: %w\n%s", err, out)
	}
	return commands / time.Since(began).Seconds(), nil
}
