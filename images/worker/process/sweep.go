package process

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// sweepFor bounds how long a sweep goes after processes that make new ones.
const sweepFor = 5 * time.Second

// becoming is how long a process may look dead, or without an environment, because it is becoming another program (execve).
const becoming = 100 * time.Millisecond

// Sweep kills what a child that has ended has left behind outside of its process group (it called setsid), and waits until
// it is gone. Such processes are this one's children by now. They are told from those of other items by the mark, an entry
// of their environment; if alone, no other command runs, and those without one are taken, too, unless they were
// there before. It returns the number of those that were killed.
//
// What is not found: a process that has wiped its environment, while other commands run; it is as soon as none does. While there
// is such a one, a sweep takes as long as it could be becoming another program.
func (r *Reaper) Sweep(c *Child, mark string, alone bool) (killed int) {
	deadline, sure := time.Now().Add(sweepFor), time.Now().Add(becoming)
	for {
		found, unsure := r.sweep(c, []byte(mark), alone)
		killed += found
		now := time.Now()
		if found == 0 && (unsure == 0 || now.After(sure)) || now.After(deadline) {
			return killed
		}
		if found > 0 {
			sure = now.Add(becoming)
		}
		<-time.After(time.Millisecond) // the kernel ends them, and gives this process their children
	}
}

// sweep once. Unsure are those that may be the child's, and cannot be told at this moment.
func (r *Reaper) sweep(c *Child, mark []byte, alone bool) (found, unsure int) {
	r.mu.Lock() // nothing is reaped meanwhile, so that no number changes hands
	defer r.mu.Unlock()
	for _, pid := range r.children() {
		if r.running[pid] != nil {
			continue
		}
		began, zombie, ok := stat(pid)
		if !ok {
			continue
		}
		if zombie { // it is reaped in a moment, unless one of its threads is calling execve and takes its place
			unsure++
			continue
		}
		environment, err := r.environment(pid)
		mine := err == nil && marked(environment, mark)
		if !mine && alone && c.began != 0 && began >= c.began {
			mine = true
		}
		if mine && syscall.Kill(pid, syscall.SIGKILL) == nil {
			// Its group and its session's other groups are orphans of their own as soon as it is dead, and are found then.
			found++
		}
		if !mine && err == nil && len(environment) == 0 && began >= c.began {
			unsure++
		}
	}
	return found, unsure
}

// environment of a process, by one call of the kernel: between two, it may become another program, and the rest is not there.
// It is valid until the next call.
func (r *Reaper) environment(pid int) ([]byte, error) {
	for {
		if len(r.environ) == 0 {
			r.environ = make([]byte, 32<<10)
		}
		file, err := os.Open("/proc/" + strconv.Itoa(pid) + "/environ")
		if err != nil {
			return nil, err
		}
		n, err := file.Read(r.environ)
		file.Close()
		if n < len(r.environ) || len(r.environ) >= maxEnviron {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return r.environ[:n], err
		}
		r.environ = make([]byte, 2*len(r.environ))
	}
}

// maxEnviron is what Linux allows for arguments and environment together, by default.
const maxEnviron = 8 << 20

func marked(environment, mark []byte) bool {
	at := bytes.Index(environment, mark)
	if at < 0 || (at > 0 && environment[at-1] != 0) {
		return false
	}
	end := at + len(mark)
	return end == len(environment) || environment[end] == 0
}

// ticks is now, as the kernel notes when a process began: in hundredths of a second since boot.
func ticks() uint64 {
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &now) != nil {
		return 0
	}
	return uint64(now.Sec)*100 + uint64(now.Nsec)/10_000_000 //nolint:gosec // time since boot is not negative
}

// children gives the children of this process. Orphans are given to its main thread; where the kernel does not tell them by
// thread, all of /proc is looked through.
func (r *Reaper) children() (pids []int) {
	for len(r.buffer) > 0 {
		n, err := r.list.ReadAt(r.buffer, 0)
		if err == nil { // it may go on
			r.buffer = make([]byte, 2*len(r.buffer))
			continue
		}
		if !errors.Is(err, io.EOF) {
			break
		}
		for field := range bytes.FieldsSeq(r.buffer[:n]) {
			if pid, err := strconv.Atoi(string(field)); err == nil {
				pids = append(pids, pid)
			}
		}
		return pids
	}
	self := strconv.Itoa(os.Getpid())
	paths, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range paths {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			continue
		}
		if fields := statFields(pid); len(fields) > 1 && fields[1] == self {
			pids = append(pids, pid)
		}
	}
	return pids
}

func stat(pid int) (began uint64, zombie, ok bool) {
	fields := statFields(pid)
	if len(fields) < 20 {
		return 0, false, false
	}
	began, err := strconv.ParseUint(fields[19], 10, 64) // field 22 of proc_pid_stat(5)
	return began, fields[0] == "Z" || fields[0] == "X", err == nil
}

// statFields are those of /proc/PID/stat from the state on: the name before it may hold anything.
func statFields(pid int) []string {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return nil
	}
	return strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
}
