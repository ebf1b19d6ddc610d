package main

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/test/bench/table"
)

// Targets of the project for durable single enqueues.
const (
	clients       = 64
	targetDurable = 10_000 // a second
	targetTimes   = 2      // the best peer's
)

// A broker is one that items are sent to.
type broker struct {
	name string
	// connect gives a client: what it returns sends one item of 256 bytes and returns when that is confirmed.
	connect func() (send func() error, closed func(), err error)
	process *process

	rates, server, client, flushed []float64 // items a second; CPU seconds per million; disk flushes an item
}

// durable compares confirmed enqueues of one item each.
func (b *bench) durable() (err error) {
	var brokers []*broker
	defer func() {
		for _, one := range brokers {
			one.process.kill()
		}
	}()
	for _, start := range []func() ([]*broker, error){b.startOurs, b.startRedis, b.startBeanstalkd, b.startRabbitMQ} {
		started, startErr := start()
		if startErr != nil {
			err = errors.Join(err, startErr) // the others are compared all the same
		}
		brokers = append(brokers, started...)
	}
	for round := range b.rounds {
		for _, one := range brokers {
			if roundErr := one.round(b.round); roundErr != nil {
				return errors.Join(err, fmt.Errorf("%s, round %d: %w", one.name, round+1, roundErr))
			}
		}
	}
	best, peer := 0.0, ""
	b.table.Note("durable: %d clients, 256 bytes, each waits for its confirmation; median (least to most) of %d rounds of %s.", clients, b.rounds, b.round)
	b.table.Note("  Clients are bare connections, of RabbitMQ amqp091-go with one connection each. Redis: appendfsync always, LPUSH of the message that Celery's producer sends (no confirmation beyond LPUSH's).")
	for i, one := range brokers {
		measured := fmt.Sprintf("%s/s; CPU s per million: server %.0f, clients %.0f; disk flushes an item %.3f",
			table.Spread(one.rates), table.Median(one.server), table.Median(one.client), table.Median(one.flushed))
		if i > 0 {
			b.table.Figure("durable: "+one.name, measured)
			if times := timesOf(brokers[0].rates, one.rates); best == 0 || times < best {
				best, peer = times, one.name
			}
			continue
		}
		b.table.Target("durable: "+one.name, fmt.Sprintf(">= %d/s", targetDurable), measured, table.Median(one.rates) >= targetDurable)
	}
	for _, one := range brokers[1:] {
		what, measured := "durable: the queue by "+one.name, fmt.Sprintf("%.2f", timesOf(brokers[0].rates, one.rates))
		if one.name == peer {
			b.table.Target(what+", the best peer", fmt.Sprintf(">= %d", targetTimes), measured, best >= targetTimes)
		} else {
			b.table.Figure(what, measured)
		}
	}
	return err
}

// timesOf is the median of the rounds' ratios: what disturbs the machine disturbs both.
func timesOf(ours, theirs []float64) float64 {
	ratios := make([]float64, len(ours))
	for i := range ours {
		ratios[i] = ours[i] / theirs[i]
	}
	return table.Median(ratios)
}

// round sends for that long by all clients at once.
func (b *broker) round(length time.Duration) error {
	sends := make([]func() error, clients)
	for i := range sends {
		send, closed, err := b.connect()
		if err != nil {
			return err
		}
		defer closed()
		if err := send(); err != nil { // it is warm
			return err
		}
		sends[i] = send
	}
	var sent atomic.Int64
	var all sync.WaitGroup
	errs := make([]error, clients)
	server, own, flushed, began := b.process.cpu(), ownCPU(), flushes(), time.Now()
	for i, send := range sends {
		all.Go(func() {
			for time.Since(began) < length && errs[i] == nil {
				errs[i] = send()
				sent.Add(1)
			}
		})
	}
	all.Wait()
	took, n := time.Since(began), float64(sent.Load())
	b.rates = append(b.rates, n/took.Seconds())
	b.server = append(b.server, (b.process.cpu()-server).Seconds()/n*1e6)
	b.client = append(b.client, (ownCPU()-own).Seconds()/n*1e6)
	b.flushed = append(b.flushed, float64(flushes()-flushed)/n)
	return errors.Join(errs...)
}

func (b *bench) startOurs() ([]*broker, error) {
	s, err := b.startServer("queue-durable")
	if err != nil {
		return nil, err
	}
	return []*broker{{name: "queue", process: s.process, connect: func() (func() error, func(), error) {
		c, err := s.client("client")
		if err != nil {
			return nil, nil, err
		}
		body := items(1)
		return func() error { return c.enqueue(body, 1) }, c.close, nil
	}}}, nil
}
