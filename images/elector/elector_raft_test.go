//go:build !engine

package main_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/config"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/imagetest"
)

const size = 3

// slot is an elector of raft's in all its lives.
type slot struct {
	listen, peers, folder string
	process               *process
}

// instance of electors that need no engine. What goes from one to another passes a wire of their own.
type instance struct {
	t      *testing.T
	dir    string
	slots  [size]*slot
	wires  map[[2]int]*wire
	lives  int
	secret string
}

func newInstance(t *testing.T) *instance {
	t.Helper()
	in := &instance{t: t, dir: t.TempDir(), wires: map[[2]int]*wire{}}
	for i := range size {
		in.slots[i] = &slot{listen: free(t), peers: filepath.Join(in.dir, fmt.Sprint("peers-", i)), folder: filepath.Join(in.dir, fmt.Sprint("slot-", i))}
	}
	for from := range size {
		for to := range size {
			if from != to {
				in.wires[[2]int{from, to}] = newWire(t)
			}
		}
	}
	return in
}

// backend of a slot, at a new address.
func (in *instance) backend(i int) config.Backend {
	in.slots[i].listen = free(in.t)
	for from := range size {
		if from != i {
			in.wires[[2]int{from, i}].lead(in.slots[i].listen)
		}
	}
	var lines strings.Builder
	for to := range size {
		if to != i {
			fmt.Fprintln(&lines, in.wires[[2]int{i, to}].address)
		}
	}
	next := in.slots[i].peers + ".next"
	require.NoError(in.t, os.WriteFile(next, []byte(lines.String()), 0o600))
	require.NoError(in.t, os.Rename(next, in.slots[i].peers))
	return config.Backend{Raft: &config.Raft{
		Listen: in.slots[i].listen, Advertise: in.slots[i].listen, Slot: fmt.Sprint(i), Size: size, Peers: in.slots[i].peers, DataDir: in.slots[i].folder,
		SecretFile: in.secret,
	}}
}

func (in *instance) start(i int) *process {
	in.lives++
	in.slots[i].process = run(in.t, in.backend(i), i, fmt.Sprintf("slot-%d-life-%d", i, in.lives))
	return in.slots[i].process
}

func (in *instance) all() (out []*process) {
	for _, s := range in.slots {
		out = append(out, s.process)
	}
	return out
}

func (in *instance) startAll() {
	for i := range size {
		in.start(i)
	}
}

func (in *instance) lose(i int) { require.NoError(in.t, os.RemoveAll(in.slots[i].folder)) }

func (in *instance) ready(slots ...int) {
	in.t.Helper()
	for _, i := range slots {
		require.Eventually(in.t, in.slots[i].process.ready, within, tick, "slot %d is ready", i)
	}
}

// term of who leads.
func (in *instance) term() uint64 {
	in.t.Helper()
	var term uint64
	require.Eventually(in.t, func() bool {
		for _, p := range in.all() {
			if e, ok := p.says(); ok && e.Self {
				term = e.Term
				return true
			}
		}
		return false
	}, within, tick, "one leads")
	return term
}

// logLeader is the slot that leads the log.
func (in *instance) logLeader() (found int) {
	in.t.Helper()
	require.Eventually(in.t, func() bool {
		for i, p := range in.all() {
			if _, text := imagetest.Get(p.management + "/metrics"); strings.Contains(text, "\nelector_raft_leader 1\n") {
				found = i
				return true
			}
		}
		return false
	}, within, tick, "one leads the log")
	return found
}

// agrees tells whether an elector gets an answer that more than half of all stand for.
func agrees(p *process) bool {
	client := &http.Client{Timeout: within}
	response, err := client.Post(p.base+"/v1/elections/one/verify", "application/json", strings.NewReader(`{"token": 1}`))
	if err != nil {
		return false
	}
	response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// A wire may be cut.
type wire struct {
	address string
	mu      sync.Mutex
	to      string
	cut     bool
	conns   map[net.Conn]bool
}

func newWire(t *testing.T) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	w := &wire{address: l.Addr().String(), conns: map[net.Conn]bool{}}
	var running sync.WaitGroup
	t.Cleanup(func() { l.Close(); w.set(true); running.Wait() })
	running.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { w.pass(near) })
		}
	})
	return w
}

func (w *wire) lead(to string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.to = to
}

// set whether it is cut. What had passed is cut off.
func (w *wire) set(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = cut
	for conn := range w.conns {
		conn.Close()
	}
}

func (w *wire) pass(near net.Conn) {
	defer near.Close()
	w.mu.Lock()
	to, cut := w.to, w.cut
	w.mu.Unlock()
	if cut {
		return
	}
	far, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer far.Close()
	w.mu.Lock()
	if w.cut {
		w.mu.Unlock()
		return
	}
	w.conns[near], w.conns[far] = true, true
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.conns, near)
		delete(w.conns, far)
	}()
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
		both.Go(func() {
			_, _ = io.Copy(way[0], way[1]) // how it ends is of no interest
			way[0].Close()
			way[1].Close()
		})
	}
	both.Wait()
}

// isolate a slot, or have it among the others again.
func (in *instance) isolate(i int, cut bool) {
	for ends, w := range in.wires {
		if ends[0] == i || ends[1] == i {
			w.set(cut)
		}
	}
}

func TestOnRaft(t *testing.T) {
	succession(t, newInstance(t).backend)
}

func TestTheLogGoesOnWithoutItsLeader(t *testing.T) {
	in := newInstance(t)
	in.startAll()
	in.ready(0, 1, 2)

	leads := in.logLeader()
	var other *process
	for _, p := range others(in.all(), in.slots[leads].process) {
		if !p.leads() { // who leads the election need not ask
			other = p
		}
	}
	require.NotNil(t, other)
	in.slots[leads].process.Signal(syscall.SIGKILL)
	begun := time.Now()
	require.Eventually(t, func() bool { return agrees(other) }, within, tick)
	took := time.Since(begun)
	t.Log("after its leader was killed, the log goes on within ", took)
	assert.Less(t, took, 3*time.Second)

	t.Run("who was killed comes back with its folder as who it was", func(t *testing.T) {
		<-in.slots[leads].process.Ended()
		p := in.start(leads)
		begun := time.Now()
		in.ready(leads)
		t.Log("ready again after ", time.Since(begun))
		assert.NotContains(t, p.Said(), "gives up")
		assert.NotContains(t, p.Said(), "let in")
	})

	t.Run("who ends leaves no gap", func(t *testing.T) {
		leads := in.logLeader()
		other := others(in.all(), in.slots[leads].process)[0]
		ended := make(chan int, 1)
		begun := time.Now()
		in.slots[leads].process.Signal(syscall.SIGTERM)
		go func() { <-in.slots[leads].process.Ended(); ended <- 0 }()
		longest := time.Duration(0)
		for over := false; !over; {
			select {
			case <-ended:
				over = true
			default:
			}
			asked := time.Now()
			require.True(t, agrees(other))
			longest = max(longest, time.Since(asked))
		}
		t.Log("it ended within ", time.Since(begun), ", and the longest time that another one had to wait was ", longest)
		in.start(leads)
		in.ready(leads)
	})
}

func TestARollingUpdateMayLoseAllFolders(t *testing.T) {
	in := newInstance(t)
	in.startAll()
	in.ready(0, 1, 2)
	term := in.term()
	for i := range size {
		assert.Equal(t, 0, in.slots[i].process.Terminate())
		in.lose(i)
		in.start(i)
		begun := time.Now()
		in.ready(i)
		t.Log("ready after ", time.Since(begun))
		next := in.term()
		assert.GreaterOrEqual(t, next, term)
		assert.Less(t, next, term+10, "the table is the same")
		term = next
	}
	for _, p := range in.all() {
		assert.NotContains(t, p.Said(), "gives up")
	}
}

func TestFoldersAreLostAtOnce(t *testing.T) {
	for name, lost := range map[string][]int{"two": {0, 1}, "two others": {1, 2}, "all": {0, 1, 2}} {
		t.Run(name, func(t *testing.T) {
			in := newInstance(t)
			in.startAll()
			in.ready(0, 1, 2)
			term := in.term()
			for _, i := range lost {
				in.slots[i].process.Signal(syscall.SIGKILL)
				<-in.slots[i].process.Ended()
				in.lose(i)
			}
			begun := time.Now()
			for _, i := range lost {
				in.start(i)
			}
			var next uint64
			require.Eventually(t, func() bool { next = in.term(); return next > term }, within, tick, "terms grow")
			t.Log("another one leads after ", time.Since(begun), ", in the term ", next, " after ", term)
			in.ready(0, 1, 2)
		})
	}
}

func TestTheMinorityStopsBeforeTheMajorityElects(t *testing.T) {
	in := newInstance(t)
	in.startAll()
	in.ready(0, 1, 2)
	was := leader(t, in.all()...)
	term := in.term()
	begun := time.Now()
	in.isolate(was.slot, true)
	var stopped, elected time.Time
	var group sync.WaitGroup
	group.Go(func() {
		assert.Eventually(t, func() bool { return !was.leads() }, within, tick)
		stopped = time.Now()
	})
	next := leader(t, others(in.all(), was)...)
	elected = time.Now()
	group.Wait()
	t.Log("the one that was cut off stopped after ", stopped.Sub(begun), ", and the others had another one after ", elected.Sub(begun))
	assert.True(t, stopped.Before(elected))
	assert.False(t, was.ready() && was.leads())
	in.isolate(was.slot, false)
	require.Eventually(t, func() bool { e, _ := was.says(); return e.Leader == next.member && e.Term > term }, within, tick, "it follows when it is back")
	assert.NotContains(t, was.Said(), "gives up")
}

func TestWhoHasAnotherSecretIsNoElector(t *testing.T) {
	in := newInstance(t)
	for _, name := range []string{"right", "wrong"} {
		require.NoError(t, os.WriteFile(filepath.Join(in.dir, name), []byte(name+"\n"), 0o600))
	}
	in.secret = filepath.Join(in.dir, "right")
	in.start(0)
	in.start(1)
	in.secret = filepath.Join(in.dir, "wrong")
	in.start(2)
	for _, p := range in.all() {
		require.Eventually(t, func() bool { return strings.Contains(p.Said(), "the other side does not have the same secret") }, within, tick)
		assert.False(t, p.ready())
	}
	in.slots[2].process.Terminate()
	in.secret = filepath.Join(in.dir, "right")
	in.start(2)
	in.ready(0, 1, 2)
}
