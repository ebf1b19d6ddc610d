package main_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/config"
	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/contract"
)

// A proxy stands between the gatherer and a leaf, and treats some of its answers badly.
type proxy struct {
	net.Listener
	to    string
	calm  atomic.Bool
	group sync.WaitGroup
	deeds [5]atomic.Int64
}

const (
	delays = iota
	cuts
	corrupts
	halfCloses
	trickles
)

func newProxy(t testing.TB, to string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{Listener: l, to: to}
	p.group.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.group.Go(func() { p.serve(c.(*net.TCPConn)) })
		}
	})
	t.Cleanup(func() { l.Close(); p.group.Wait() })
	return p
}

func (p *proxy) serve(from *net.TCPConn) {
	defer from.Close()
	conn, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	to := conn.(*net.TCPConn)
	defer to.Close()
	go func() {
		_, _ = io.Copy(to, from)
		to.Close() // the leaf's side ends as well
	}()
	buffer := make([]byte, 4096)
	for {
		n, err := to.Read(buffer)
		if err != nil {
			return
		}
		answer := buffer[:n]
		if !p.calm.Load() && rand.IntN(5) == 0 {
			deed := rand.IntN(len(p.deeds))
			p.deeds[deed].Add(1)
			switch deed {
			case delays:
				<-time.After(time.Duration(rand.IntN(300)) * time.Millisecond)
			case cuts:
				_, _ = from.Write(answer[:rand.IntN(n)])
				_ = from.SetLinger(0) // a reset
				return
			case corrupts: // nothing of HTTP or JSON may have this
				answer[rand.IntN(n)] = 0
			case halfCloses:
				_, _ = from.Write(answer[:rand.IntN(n)])
				_ = from.CloseWrite()
				_, _ = io.Copy(io.Discard, from)
				return
			case trickles:
				for i := range answer {
					if _, err := from.Write(answer[i : i+1]); err != nil {
						return
					}
				}
				continue
			}
		}
		if _, err := from.Write(answer); err != nil {
			return
		}
	}
}

type hit struct {
	ID    int `json:"id"`
	Score int `json:"score"`
}

// hits of a shard.
func hits(shard int) (out []hit) {
	for i := range 5 {
		out = append(out, hit{ID: shard*10 + i, Score: (shard*7 + i*13) % 50})
	}
	return out
}

// best of some shards.
func best(shards []int) []hit {
	all := []hit{}
	for _, shard := range shards {
		all = append(all, hits(shard)...)
	}
	slices.SortFunc(all, func(a, b hit) int {
		if a.Score != b.Score {
			return b.Score - a.Score
		}
		return a.ID - b.ID
	})
	return all[:min(3, len(all))]
}

func TestWhateverTheNetworkDoesNoAnswerIsWrong(t *testing.T) {
	const shards = 4
	lasts := 15 * time.Second
	if testing.Short() {
		lasts = 2 * time.Second
	}
	var proxies []*proxy
	g := newGatherer(t, topK, make([][]*leaf, shards)...)
	for shard := range shards {
		body, err := json.Marshal(hits(shard))
		require.NoError(t, err)
		var replicas []*leaf
		for range 2 {
			l := newLeaf(t, says(string(body)))
			p := newProxy(t, l.address())
			proxies = append(proxies, p)
			replicas = append(replicas, &leaf{Server: l.Server, via: p.Addr().String()})
		}
		g.endpoints(shard, replicas...)
	}
	g.config.Policy = config.Policy{
		Deadline: config.Duration(400 * time.Millisecond), Require: "best_effort", Hedge: &config.Hedge{Budget: 0.3},
		Breaker: config.Breaker{Probe: config.Duration(10 * time.Millisecond), ProbeMax: config.Duration(50 * time.Millisecond)},
	}
	for _, p := range proxies {
		p.calm.Store(true)
	}
	g.start()
	load := func(d time.Duration) (whole, partial int) {
		var mu sync.Mutex
		var clients sync.WaitGroup
		for range 8 {
			clients.Go(func() {
				for end := time.Now().Add(d); time.Now().Before(end); {
					got := g.get("/")
					if !assert.NoError(t, got.err) || !assert.Equal(t, http.StatusOK, got.status, got.body) {
						return
					}
					var e contract.Envelope[[]hit]
					if !assert.NoError(t, json.Unmarshal([]byte(got.body), &e), got.body) {
						return
					}
					assert.Equal(t, e.Coverage, got.coverage)
					there := []int{0, 1, 2, 3}
					for _, m := range e.Coverage.Missing {
						n, err := strconv.Atoi(m.Shard)
						assert.NoError(t, err)
						there = slices.DeleteFunc(there, func(shard int) bool { return shard == n })
					}
					if !assert.Equal(t, best(there), e.Results, got.body) || !assert.Len(t, there, e.Coverage.Answered) {
						return
					}
					mu.Lock()
					if e.Coverage.Complete {
						whole++
					} else {
						partial++
					}
					mu.Unlock()
				}
			})
		}
		clients.Wait()
		return whole, partial
	}
	load(500 * time.Millisecond)
	http.DefaultClient.CloseIdleConnections()
	goroutines, descriptors := g.metric("go_goroutines"), g.descriptors()
	for _, p := range proxies {
		p.calm.Store(false)
	}
	whole, partial := load(lasts)
	deeds := [5]int64{}
	for _, p := range proxies {
		p.calm.Store(true)
		for i := range deeds {
			deeds[i] += p.deeds[i].Load()
		}
	}
	t.Logf("%d whole and %d partial answers; %v delays, cuts, corruptions, half closes, trickles", whole, partial, deeds)
	assert.Positive(t, whole)
	for i := range deeds {
		assert.Positive(t, deeds[i])
	}
	assert.Eventually(t, func() bool {
		_, partial := load(200 * time.Millisecond)
		return partial == 0
	}, within, tick, "what has failed comes back")
	http.DefaultClient.CloseIdleConnections()
	number := func(s string) int { n, _ := strconv.Atoi(s); return n }
	assert.Eventually(t, func() bool {
		return number(g.metric("go_goroutines")) <= number(goroutines)+8 && g.descriptors() <= descriptors+40
	}, within, 100*time.Millisecond, "%s goroutines and %d descriptors before, %s and %d now", goroutines, descriptors, fmt.Sprint(g.metric("go_goroutines")), g.descriptors())
	select {
	case <-g.Ended():
		assert.Fail(t, "it has ended")
	default:
	}
}
