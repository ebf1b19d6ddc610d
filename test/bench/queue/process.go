package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// startTimeout is how long a server may take to answer.
const startTimeout = 60 * time.Second

// A process is a server of this run's, in a process group of its own.
type process struct {
	name  string
	cmd   *exec.Cmd
	ended chan struct{}
	log   string
}

// start a program and wait until it is ready.
func (b *bench) start(name string, cmd *exec.Cmd, ready func() bool) (*process, error) {
	p := &process{name: name, cmd: cmd, ended: make(chan struct{}), log: filepath.Join(b.dir, name+".log")}
	log, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid, cmd.SysProcAttr.Pdeathsig = true, syscall.SIGKILL
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		_ = cmd.Wait() // whoever ends it knows
		close(p.ended)
	}()
	for deadline := time.Now().Add(startTimeout); !ready(); {
		select {
		case <-p.ended:
			return nil, fmt.Errorf("%s has ended: %s", name, p.tail())
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			p.kill()
			return nil, fmt.Errorf("%s does not answer after %s: %s", name, startTimeout, p.tail())
		}
	}
	return p, nil
}

// kill ends the process and those that it has started.
func (p *process) kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // it may have ended by itself
	<-p.ended
}

func (p *process) tail() string {
	log, _ := os.ReadFile(p.log)
	return strings.TrimSpace(string(log[max(0, len(log)-2048):]))
}

// tick is the unit of CPU time in /proc (USER_HZ).
const tick = 10 * time.Millisecond

// cpu is what the process and those of its group that live have used.
func (p *process) cpu() time.Duration {
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	var ticks int64
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended since
		}
		_, rest, _ := strings.Cut(string(data[strings.LastIndexByte(string(data), ')')+1:]), " ")
		fields := strings.Fields(rest) // from the third on: state, ppid, pgrp, ...; utime is the 14th
		if len(fields) < 13 || fields[2] != strconv.Itoa(p.cmd.Process.Pid) {
			continue
		}
		user, _ := strconv.ParseInt(fields[11], 10, 64)
		system, _ := strconv.ParseInt(fields[12], 10, 64)
		ticks += user + system
	}
	return time.Duration(ticks) * tick
}

// memory gives VmRSS and VmHWM in MiB.
func (p *process) memory() (resident, peak float64, err error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(data)) {
		name, value, _ := strings.Cut(line, ":")
		kib, _ := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 64)
		switch name {
		case "VmRSS":
			resident = kib / 1024
		case "VmHWM":
			peak = kib / 1024
		}
	}
	if resident == 0 || peak == 0 {
		return 0, 0, errors.New("this system tells no resident memory")
	}
	return resident, peak, nil
}

// ownCPU is what this process, the clients, has used.
func ownCPU() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// flushes of the machine's disks so far, whoever asked for them; 0 where the kernel does not count them.
func flushes() (n int64) {
	data, _ := os.ReadFile("/proc/diskstats")
	for line := range strings.Lines(string(data)) {
		if fields := strings.Fields(line); len(fields) >= 20 {
			if _, err := os.Stat("/sys/block/" + fields[2]); err == nil { // whole disks
				one, _ := strconv.ParseInt(fields[18], 10, 64)
				n += one
			}
		}
	}
	return n
}

// build compiles a program of images as its image has it.
func build(dir, name string) (string, error) {
	binary := filepath.Join(dir, name)
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, "./images/"+name)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", name, err, out)
	}
	return binary, nil
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

func listens(port int) bool {
	conn, err := net.DialTimeout("tcp", address(port), time.Second)
	if err != nil {
		return false
	}
	return conn.Close() == nil
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
