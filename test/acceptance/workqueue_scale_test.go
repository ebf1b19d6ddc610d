//go:build acceptance

package acceptance

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
)

// A witness is told by commands when they begin and when they end, whatever the queue makes of it.
type witness struct {
	address string
	mu      sync.Mutex
	seen    map[string]int // "begin NAME"
}

func newWitness(t *testing.T) *witness {
	t.Helper()
	listener := listenForContainers(t)
	w := &witness{address: listener.Addr().String(), seen: map[string]int{}}
	server := &http.Server{ErrorLog: quiet, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.seen[strings.ReplaceAll(strings.TrimPrefix(r.URL.Path, "/"), "/", " ")]++
	})}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Close() })
	return w
}

// listenForContainers listens at an address of this machine that containers of both engines reach.
func listenForContainers(t *testing.T) net.Listener {
	t.Helper()
	host, _, err := net.SplitHostPort(os.Getenv("REGISTRY"))
	require.NoError(t, err)
	listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })
	return listener
}

// tell is the command that says what an item does.
func (w *witness) tell(what, item string) string {
	return fmt.Sprintf("busybox wget -q -O /dev/null http://%s/%s/%s || exit 75", w.address, what, item)
}

func (w *witness) times(what, item string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen[what+" "+item]
}

// crowd watches how many workers of a stage there are.
type crowd struct {
	mu   sync.Mutex
	seen []int // changes
	end  chan struct{}
	done sync.WaitGroup
}

func (s *stage) watchWorkers(stage string) *crowd {
	c := &crowd{end: make(chan struct{})}
	c.done.Go(func() {
		tick := time.NewTicker(300 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-c.end:
				return
			case <-tick.C:
			}
			n := len(s.workers(stage))
			c.mu.Lock()
			if len(c.seen) == 0 || c.seen[len(c.seen)-1] != n {
				c.seen = append(c.seen, n)
			}
			c.mu.Unlock()
		}
	})
	return c
}

func (c *crowd) changes() []int { c.mu.Lock(); defer c.mu.Unlock(); return slices.Clone(c.seen) }
func (c *crowd) now() int {
	all := c.changes()
	if len(all) == 0 {
		return -1
	}
	return all[len(all)-1]
}
func (c *crowd) stop() { close(c.end); c.done.Wait() }

// Workers come and go with the load, and none goes while it works: of 1,000 items of random length each is begun once,
// ended once, and attempted once.
func TestWorkQueueScaleInInterruptsNothing(t *testing.T) {
	onQueue(t, func(s *stage) {
		w := newWitness(s.T)
		q := workQueue(object{"work": with(step(obey), object{
			"workers": object{"min": 0, "max": 4, "concurrency": 2, "scale_in_after": "2s", "target_wait": "1s"},
		})})
		s.works(q)
		s.apply()
		c := s.client()
		crowd := s.watchWorkers("work")
		defer crowd.stop()

		var names []string
		item := func(least, most time.Duration) (string, string) {
			name := fmt.Sprintf("item-%04d", len(names))
			names = append(names, name)
			takes := least + rand.N(most-least)
			return name, fmt.Sprintf("%s\nbusybox sleep %.3f\n%s\necho %s >$WORK_OUTPUT_FILE\n", w.tell("begin", name), takes.Seconds(), w.tell("end", name), name)
		}
		begun := time.Now()
		const total = 1000
		for wave := range 3 {
			burst := map[string]string{}
			for range 280 {
				name, script := item(20*time.Millisecond, 300*time.Millisecond)
				burst[name] = script
			}
			c.push("work", burst)
			eventually(s.T, time.Minute, func() bool { return crowd.now() >= 3 }, "the workers should become more: %v", crowd.changes())
			// The load falls: a long item at a time, while workers go.
			deadline := time.Now().Add(time.Minute)
			for crowd.now() != 1 && time.Now().Before(deadline) && len(names) < total-(2-wave)*280 {
				if open(c.counts("work")) > 1 {
					continue
				}
				name, script := item(800*time.Millisecond, 3*time.Second)
				c.push("work", map[string]string{name: script})
			}
			assert.Equal(s, 1, crowd.now(), "with one item at a time one worker is enough: %v", crowd.changes())
		}
		rest := map[string]string{}
		for len(names) < total {
			name, script := item(20*time.Millisecond, 800*time.Millisecond)
			rest[name] = script
		}
		c.push("work", rest)
		c.reaches("work", api.Done, total)
		eventually(s.T, time.Minute, func() bool { return crowd.now() == 0 }, "no worker is needed any more: %v", crowd.changes())
		s.Logf("%d items in %s; workers: %v", total, time.Since(begun).Round(time.Second), crowd.changes())

		var interrupted []string
		for _, i := range c.items("work") {
			if i.Attempt != 1 || i.Failure != nil || w.times("begin", i.Name) != 1 || w.times("end", i.Name) != 1 {
				interrupted = append(interrupted, fmt.Sprintf("%s: attempt %d, begun %d times, ended %d times, %+v", i.Name, i.Attempt, w.times("begin", i.Name), w.times("end", i.Name), i.Failure))
			}
		}
		assert.Empty(s, interrupted)
		assert.ElementsMatch(s, names, c.outputNames())
		assert.GreaterOrEqual(s, slices.Max(crowd.changes()), 3)
		s.unchanged("with the number of workers that the load has made")
		s.destroy()
		s.gone(s.queue())
		assert.Empty(s, s.data(s.T))
	})
}
