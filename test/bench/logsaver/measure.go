package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// limit is how long one program may take.
	limit = 3 * time.Minute
	// look is how often it is asked whether it is done; a thousandth of what a run takes would be better than needed.
	look = 10 * time.Millisecond
)

// pinned runs a program on one core, until done says so, and stops it in order.
func pinned(o options, name string, env []string, done func() (bool, error), argv ...string) (figure, error) {
	cmd := exec.Command("taskset", append([]string{"-c", strconv.Itoa(o.cpu)}, argv...)...)
	cmd.Env = append(os.Environ(), env...)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return figure{}, fmt.Errorf("%s: %w", name, err)
	}
	var failed error
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		failed = cmd.Wait()
	}()
	f := figure{program: name}
	for f.took == 0 {
		ok, err := done()
		switch {
		case err != nil:
			_ = cmd.Process.Kill()
			<-ended
			return f, fmt.Errorf("%s: %w\n%s", name, err, log.String())
		case ok:
			f.took = time.Since(began)
			continue
		case time.Since(began) > limit:
			_ = cmd.Process.Kill()
			<-ended
			return f, fmt.Errorf("%s: not done after %s\n%s", name, limit, log.String())
		}
		select {
		case <-ended:
			return f, fmt.Errorf("%s has ended too early: %s\n%s", name, cmd.ProcessState, log.String())
		case <-time.After(look):
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return f, fmt.Errorf("%s: %w", name, err)
	}
	<-ended
	if failed != nil {
		return f, fmt.Errorf("%s: %w\n%s", name, failed, log.String())
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return f, errors.New("this system tells no resource usage")
	}
	f.cpu, f.peak = cmd.ProcessState.SystemTime()+cmd.ProcessState.UserTime(), usage.Maxrss<<10
	return f, nil
}

// buildSaver compiles the log saver as its image has it.
func buildSaver(dir string) (string, error) {
	binary := filepath.Join(dir, "logsaver")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary,
		"github.com/container-patterns/terraform-provider-pattern/images/logsaver")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the log saver: %w\n%s", err, out)
	}
	return binary, nil
}

func measureSaver(o options, dir, binary, input, compression string) (figure, error) {
	out, state := filepath.Join(dir, "out"), filepath.Join(dir, "state")
	defer os.RemoveAll(out)
	defer os.RemoveAll(state)
	if err := os.MkdirAll(out, 0o755); err != nil {
		return figure{}, err
	}
	address, err := freeAddress()
	if err != nil {
		return figure{}, err
	}
	config := filepath.Join(dir, "config.json")
	data, err := json.Marshal(map[string]any{
		"inputs":     []any{map[string]any{"name": "access", "paths": []string{input}}},
		"state_dir":  state,
		"source":     "bench",
		"batch":      map[string]any{"max_age": "100ms"}, // the rest at the end is no full batch
		"sink":       map[string]any{"bucket": map[string]any{"url": "file://" + out, "compression": compression}},
		"management": map[string]any{"address": address},
	})
	if err != nil {
		return figure{}, err
	}
	if err := os.WriteFile(config, data, 0o644); err != nil {
		return figure{}, err
	}
	done := func() (bool, error) { return delivered("http://"+address+"/metrics", o.lines) }
	f, err := pinned(o, "log saver, "+compression, []string{"GOMAXPROCS=1"}, done, binary, "-config", config)
	if err == nil {
		f.written, err = size(out)
	}
	if err == nil && compression == "none" && f.written != int64(o.lines)*100 {
		err = fmt.Errorf("the log saver has written %d bytes of %d", f.written, int64(o.lines)*100)
	}
	return f, err
}

// delivered asks the log saver for what its sink has acknowledged.
func delivered(url string, lines int) (bool, error) {
	response, err := (&http.Client{Timeout: 10 * time.Second}).Get(url)
	if err != nil {
		return false, nil // not there yet
	}
	defer response.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(response.Body); err != nil {
		return false, nil
	}
	_, value, ok := strings.Cut(text.String(), "\nlogsaver_delivered_lines_total ")
	if !ok {
		return false, errors.New("there is no logsaver_delivered_lines_total in the metrics")
	}
	value, _, _ = strings.Cut(value, "\n")
	count, err := strconv.ParseFloat(value, 64)
	if err != nil {
		return false, err
	}
	if int(count) > lines {
		return false, fmt.Errorf("%d lines were delivered of %d", int(count), lines)
	}
	return int(count) == lines, nil
}

// measureRsyslog lets rsyslog read the file by imfile and write it by omfile.
func measureRsyslog(o options, dir, input string) (figure, error) {
	if err := installRsyslog(); err != nil {
		return figure{}, err
	}
	work := filepath.Join(dir, "rsyslog")
	if err := os.MkdirAll(work, 0o755); err != nil {
		return figure{}, err
	}
	defer os.RemoveAll(work)
	output, path := filepath.Join(work, "out.log"), filepath.Join(work, "rsyslog.conf")
	config := fmt.Sprintf(`global(workDirectory="%[1]s" maxMessageSize="64k")
module(load="imfile")
template(name="raw" type="string" string="%%msg%%\n")
ruleset(name="out") { action(type="omfile" file="%[2]s" template="raw" ioBufferSize="256k" asyncWriting="off" flushOnTXEnd="off") }
input(type="imfile" file="%[3]s" tag="bench" ruleset="out")
`, work, output, input)
	if err := os.WriteFile(path, []byte(config), 0o644); err != nil {
		return figure{}, err
	}
	want := int64(o.lines) * 100
	done := func() (bool, error) {
		info, err := os.Stat(output)
		// The last of its buffer is written when rsyslog ends.
		return err == nil && info.Size() > want-(256<<10), nil
	}
	f, err := pinned(o, "rsyslog, none", nil, done, "rsyslogd", "-n", "-f", path, "-i", filepath.Join(work, "pid"))
	if err != nil {
		return f, err
	}
	f.written, err = size(output)
	if err == nil && f.written != want {
		err = fmt.Errorf("rsyslog has written %d bytes of %d", f.written, want)
	}
	return f, err
}

func installRsyslog() error {
	if _, err := exec.LookPath("rsyslogd"); err == nil {
		return nil
	}
	if os.Geteuid() != 0 {
		return errors.New("rsyslogd is not installed: apt-get install rsyslog")
	}
	install := exec.Command("apt-get", "install", "-y", "--no-install-recommends", "rsyslog")
	install.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if out, err := install.CombinedOutput(); err != nil {
		return fmt.Errorf("install rsyslog: %w\n%s", err, out)
	}
	return nil
}

func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}

// size is the number of bytes of all files below a directory.
func size(dir string) (bytes int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			bytes += info.Size()
		}
		return err
	})
	return bytes, err
}
