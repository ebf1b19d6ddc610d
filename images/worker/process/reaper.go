// Package process starts commands, each in a process group of its own, and sees to it that nothing of them is left: no
// zombie, and no descendant that ran away.
//
// This process is PID 1 of its container, or makes itself the subreaper of its descendants. So every orphan becomes its
// child, and one goroutine waits for all children, its own and those that it inherits: nobody else may wait.
package process

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Reaper waits for all children of this process. There is one in a process, and os/exec is not used beside it.
type Reaper struct {
	mu      sync.Mutex
	running map[int]*Child // by PID; those that have been started and not been waited for
	started chan struct{}
	// Starts that have begun and are not in the map yet, by their number; in the order of their beginning.
	starting map[uint64]bool
	number   uint64
	settled  *sync.Cond
	list     *os.File // of the children; nil where the kernel has none
	buffer   []byte
	environ  []byte // for Sweep
}

// NewReaper makes this process the reaper of its descendants.
func NewReaper() (*Reaper, error) {
	if os.Getpid() != 1 {
		if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
			return nil, fmt.Errorf("become the reaper of descendants: %w", err)
		}
	}
	r := &Reaper{running: map[int]*Child{}, starting: map[uint64]bool{}, started: make(chan struct{}, 1)}
	r.settled = sync.NewCond(&r.mu)
	self := strconv.Itoa(os.Getpid())
	if list, err := os.Open("/proc/self/task/" + self + "/children"); err == nil {
		r.list, r.buffer = list, make([]byte, 1024)
	}
	go r.reap()
	return r, nil
}

// A Child is a command that was started.
type Child struct {
	PID    int
	reaper *Reaper
	began  uint64 // in clock ticks since boot, as the kernel counts; 0 if not known
	done   chan struct{}
	status syscall.WaitStatus
}

// Start starts a program, which must be a path. Files are its descriptors 0, 1 and 2, by number.
func (r *Reaper) Start(path string, args, env []string, files [3]int) (*Child, error) {
	attr := &syscall.ProcAttr{
		Env:   env,
		Files: []uintptr{uintptr(files[0]), uintptr(files[1]), uintptr(files[2])}, //nolint:gosec // they are descriptors
		// Pdeathsig is for the time after a SIGKILL of this process where it is not PID 1. Go ends no thread that has not
		// been locked by a goroutine, so it is the process's death and not a thread's.
		Sys: &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL},
	}
	child := &Child{reaper: r, began: ticks(), done: make(chan struct{})}
	r.mu.Lock()
	r.number++
	number := r.number
	r.starting[number] = true
	r.mu.Unlock()
	pid, err := syscall.ForkExec(path, args, attr) // unlocked: what has ended meanwhile is not to wait for this
	r.mu.Lock()
	if err == nil {
		child.PID = pid
		r.running[pid] = child
	}
	delete(r.starting, number)
	r.settled.Signal()
	r.mu.Unlock()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	select {
	case r.started <- struct{}{}:
	default:
	}
	return child, nil
}

// Signal sends a signal to the child's process group. It does nothing once the child has ended.
func (c *Child) Signal(signal syscall.Signal) {
	c.reaper.mu.Lock()
	defer c.reaper.mu.Unlock()
	if c.reaper.running[c.PID] == c {
		_ = syscall.Kill(-c.PID, signal)
	}
}

// Done is closed when the child has ended and its group has been killed.
func (c *Child) Done() <-chan struct{} { return c.done }

// Status is valid once Done is closed.
func (c *Child) Status() syscall.WaitStatus { return c.status }

// reap waits for children for ever. It looks before it takes: while the leader of a group is a zombie, its number can be
// nobody else's, so that the rest of the group can be killed by it.
func (r *Reaper) reap() {
	for {
		pid, err := peek()
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil: // no children
			select {
			case <-r.started:
			case <-time.After(time.Second): // PID 1 inherits also from who was started by others (a shell of the engine)
			}
			continue
		}
		r.mu.Lock()
		child := r.find(pid)
		if child != nil {
			_ = syscall.Kill(-pid, syscall.SIGKILL)
			delete(r.running, pid)
		}
		var status syscall.WaitStatus
		for {
			if _, err = syscall.Wait4(pid, &status, 0, nil); !errors.Is(err, syscall.EINTR) {
				break
			}
		}
		r.mu.Unlock()
		if child != nil {
			child.status = status
			close(child.done)
		}
	}
}

// find gives the child of a number; nil if it is an orphan that was inherited. It may be one whose start is about to be
// noted, so those that have begun by now are waited for, and none that begin later. The caller holds the lock.
func (r *Reaper) find(pid int) *Child {
	for last := r.number; ; r.settled.Wait() {
		if child := r.running[pid]; child != nil {
			return child
		}
		open := false
		for number := range r.starting {
			open = open || number <= last
		}
		if !open {
			return nil
		}
	}
}

// peek waits until a child has ended and leaves it a zombie.
func peek() (pid int, err error) {
	// siginfo_t: three numbers, padding to eight bytes, and the PID first of what is there for SIGCHLD.
	var info [128 / 8]uint64
	_, _, errno := syscall.Syscall6(syscall.SYS_WAITID, unix.P_ALL, 0, uintptr(unsafe.Pointer(&info)), unix.WEXITED|unix.WNOWAIT, 0, 0) //nolint:gosec // as waitid(2) wants it
	if errno != 0 {
		return 0, errno
	}
	return int(*(*int32)(unsafe.Pointer(&info[2]))), nil //nolint:gosec // as above
}
