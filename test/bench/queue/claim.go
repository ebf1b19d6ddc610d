package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/test/bench/table"
)

// Claims in a round, and the target of the 99th percentile in milliseconds.
const (
	claims      = 1000
	targetClaim = 10
)

// settle is how long a long poll has to arrive before the item is sent.
const settle = 2 * time.Millisecond

// claim measures how soon a worker that waits has what is enqueued.
func (b *bench) claim() error {
	s, err := b.startServer("queue-claim")
	if err != nil {
		return err
	}
	defer s.kill()
	var half, most, worst []float64
	for range b.rounds {
		times, err := s.claims()
		if err != nil {
			return err
		}
		slices.Sort(times)
		half, most, worst = append(half, times[claims/2]), append(most, times[claims*99/100]), append(worst, times[claims-1])
	}
	b.table.Target(fmt.Sprintf("claim: p99 of %d enqueues to a worker that waits", claims), fmt.Sprintf("<= %d ms", targetClaim),
		fmt.Sprintf("p50 %.2f ms, p99 %.2f ms (%.2f to %.2f), longest %.1f ms", table.Median(half), table.Median(most), slices.Min(most), slices.Max(most), table.Median(worst)),
		table.Median(most) <= targetClaim)
	return nil
}

// claims gives milliseconds from before each enqueue until the worker has the item.
func (s *server) claims() ([]float64, error) {
	producer, err := s.client("client")
	if err != nil {
		return nil, err
	}
	defer producer.close()
	consumer, err := s.client("worker")
	if err != nil {
		return nil, err
	}
	defer consumer.close()
	type delivery struct {
		at  time.Time
		err error
	}
	polls, deliveries := make(chan struct{}), make(chan delivery, 1)
	go func() {
		for range polls {
			var answer api.ReceiveAnswer
			err := consumer.call("/v1/stages/stage/receive", api.ReceiveRequest{Worker: "bench", Max: 1, Wait: "20s"}, &answer)
			at := time.Now()
			if err == nil && len(answer.Leases) != 1 {
				err = errors.New("a worker that waits got no item")
			}
			if err == nil {
				err = consumer.ack(answer.Leases)
			}
			deliveries <- delivery{at, err}
		}
	}()
	defer close(polls)
	body, times := items(1), make([]float64, 0, claims)
	for range claims {
		polls <- struct{}{}
		<-time.After(settle)
		began := time.Now()
		if err := producer.enqueue(body, 1); err != nil {
			return nil, err
		}
		got := <-deliveries
		if got.err != nil {
			return nil, got.err
		}
		times = append(times, float64(got.at.Sub(began).Microseconds())/1000)
	}
	return times, nil
}

// ack leases without outputs.
func (c *client) ack(leases []api.Lease) error {
	request := api.AckRequest{Items: make([]api.Ack, len(leases))}
	for i, lease := range leases {
		request.Items[i].Lease = lease.Lease
	}
	var answer api.ResultsAnswer
	if err := c.call("/v1/leases/ack", request, &answer); err != nil {
		return err
	}
	for _, result := range answer.Results {
		if result != nil {
			return result
		}
	}
	return nil
}
