package main

import (
	"fmt"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/test/bench/table"
)

// Batches: how many items in each, how many clients send them, and the target in items a second.
const (
	batchItems    = 100
	batchClients  = 8
	targetBatches = 50_000
)

// batches measures enqueues of many items each.
func (b *bench) batches() error {
	s, err := b.startServer("queue-batches")
	if err != nil {
		return err
	}
	defer s.kill()
	body := items(batchItems)
	var rates, server, own []float64
	for range b.rounds {
		n, took, cpu, ownCPU, err := s.push(body, batchItems, func(_ int, began time.Time) bool { return time.Since(began) < b.round })
		if err != nil {
			return err
		}
		rates = append(rates, float64(n)/took.Seconds())
		server = append(server, cpu.Seconds()/float64(n)*1e6)
		own = append(own, ownCPU.Seconds()/float64(n)*1e6)
	}
	b.table.Target(fmt.Sprintf("batches: %d items of 256 bytes each, %d clients", batchItems, batchClients), fmt.Sprintf(">= %d items/s", targetBatches),
		fmt.Sprintf("%s items/s; CPU s per million: server %.1f, clients %.1f", table.Spread(rates), table.Median(server), table.Median(own)), table.Median(rates) >= targetBatches)
	return nil
}

// push sends a batch again and again by all clients, while there is more to send: of how many were begun, and since when.
func (s *server) push(body []byte, size int, more func(begun int, began time.Time) bool) (n int, took, server, own time.Duration, err error) {
	connections := make([]*client, batchClients)
	for i := range connections {
		if connections[i], err = s.client("client"); err != nil {
			return 0, 0, 0, 0, err
		}
		defer connections[i].close()
	}
	server, own = s.cpu(), ownCPU()
	began := time.Now()
	turns := make(chan struct{})
	results := make(chan error, batchClients)
	for _, c := range connections {
		go func() {
			var failed error
			for range turns {
				if failed == nil {
					failed = c.enqueue(body, size)
				}
			}
			results <- failed
		}()
	}
	for ; more(n, began); n += size {
		turns <- struct{}{}
	}
	close(turns)
	for range connections {
		if one := <-results; one != nil {
			err = one
		}
	}
	return n, time.Since(began), s.cpu() - server, ownCPU() - own, err
}
