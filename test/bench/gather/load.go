package main

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/upstream"
)

func freeAddress() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err) // no port is free on the loopback
	}
	defer l.Close()
	return l.Addr().String()
}

// A load is what came of asking for a while.
type load struct {
	times  []time.Duration
	failed int
	last   error
}

func (l *load) add(o load) {
	l.times = append(l.times, o.times...)
	if l.failed += o.failed; o.last != nil {
		l.last = o.last
	}
}

func (l *load) quantile(q float64) time.Duration {
	if len(l.times) == 0 {
		return 0
	}
	slices.Sort(l.times)
	return l.times[min(len(l.times)-1, int(q*float64(len(l.times))))]
}

// ask an address by so many clients at once, for a while, each by a connection of its own. The client is as cheap as can be, so
// that it is not what is measured.
func ask(address string, clients int, d time.Duration) load {
	var mu sync.Mutex
	var all load
	var group sync.WaitGroup
	end := time.Now().Add(d)
	for range clients {
		group.Go(func() {
			pool := upstream.New(address, upstream.Options{})
			defer pool.Close()
			var own load
			for time.Now().Before(end) {
				begun := time.Now()
				if err := once(pool, address); err != nil {
					own.failed++
					own.last = err
					continue
				}
				own.times = append(own.times, time.Since(begun))
			}
			mu.Lock()
			defer mu.Unlock()
			all.add(own)
		})
	}
	group.Wait()
	return all
}

func once(pool *upstream.Pool, address string) error {
	var call upstream.Call
	response, err := pool.Do(&call, &upstream.Request{
		Method: http.MethodGet, Head: []byte("GET /search?q=x HTTP/1.1\r\nHost: " + address + "\r\nAccept: application/json\r\nUser-Agent: bench\r\n"),
		Deadline: time.Now().Add(20 * time.Second),
	})
	if err != nil {
		return err
	}
	defer response.Close()
	buffer := upstream.NewBuffer()
	defer buffer.Free()
	if err := response.ReadAll(256<<20, buffer); err != nil {
		return err
	}
	if response.Status != http.StatusOK {
		return fmt.Errorf("status %d: %.200s", response.Status, buffer.B)
	}
	return nil
}
