package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
	"github.com/container-patterns/terraform-provider-pattern/test/bench/table"
)

// Depths, how many items are led through at each, and the most memory at the last, in MiB.
var depths = []int{1_000, 10_000, 100_000, 1_000_000}

const (
	sample       = 50_000
	targetMemory = 64
	targetFlat   = 2.0 // the most costly depth's cost by the least costly one's
)

// depth measures what items cost while others wait, and the memory of a server that a million wait in.
func (b *bench) depth() error {
	s, err := b.startServer("queue-depth")
	if err != nil {
		return err
	}
	defer s.kill()
	bodies := map[int][]byte{100: items(100), 1000: items(1000)}
	var costs []float64
	filled, filling := 0, time.Now()
	for _, depth := range depths {
		want := depth - filled
		if _, _, _, _, err := s.push(bodies[100], 100, func(begun int, _ time.Time) bool { return begun < want }); err != nil {
			return err
		}
		filled = depth
		if depth == depths[len(depths)-1] {
			if err := b.memory(s, time.Since(filling)); err != nil {
				return err
			}
		}
		var rounds []float64
		var rates []float64
		for range b.rounds {
			began, before := time.Now(), s.cpu()
			if err := s.lives(bodies[1000], sample/b.rounds/1000*1000); err != nil {
				return err
			}
			n := float64(sample / b.rounds / 1000 * 1000)
			rounds = append(rounds, (s.cpu()-before).Seconds()/n*1e6)
			rates = append(rates, n/time.Since(began).Seconds())
		}
		costs = append(costs, table.Median(rounds))
		b.table.Figure(fmt.Sprintf("depth: an item's life while %d wait", depth), fmt.Sprintf("%.1f server CPU s per million (%.1f to %.1f); %.0f items/s by one client",
			table.Median(rounds), slices.Min(rounds), slices.Max(rounds), table.Median(rates)))
	}
	flat := slices.Max(costs) / slices.Min(costs)
	b.table.Target("depth: most by least CPU time of an item", fmt.Sprintf("<= %.1f", targetFlat), fmt.Sprintf("%.2f", flat), flat <= targetFlat)
	resident, peak, err := s.memory()
	if err != nil {
		return err
	}
	b.table.Target("depth: memory after work on it", fmt.Sprintf("<= %d MiB", targetMemory), fmt.Sprintf("VmRSS %.1f MiB, VmHWM %.1f MiB", resident, peak),
		resident <= targetMemory && peak <= targetMemory)
	return nil
}

func (b *bench) memory(s *server, took time.Duration) error {
	resident, peak, err := s.process.memory()
	if err != nil {
		return err
	}
	b.table.Target(fmt.Sprintf("depth: memory, %d items wait (filled in %.0f s)", depths[len(depths)-1], took.Seconds()), fmt.Sprintf("<= %d MiB", targetMemory),
		fmt.Sprintf("VmRSS %.1f MiB, VmHWM %.1f MiB", resident, peak), resident <= targetMemory && peak <= targetMemory)
	return nil
}

// lives leads items through: 1,000 are enqueued, received by hundreds, acknowledged by hundreds, and so on.
func (s *server) lives(body []byte, n int) error {
	producer, err := s.client("client")
	if err != nil {
		return err
	}
	defer producer.close()
	consumer, err := s.client("worker")
	if err != nil {
		return err
	}
	defer consumer.close()
	for done := 0; done < n; done += 1000 {
		if err := producer.enqueue(body, 1000); err != nil {
			return err
		}
		for range 10 {
			var answer api.ReceiveAnswer
			if err := consumer.call("/v1/stages/stage/receive", api.ReceiveRequest{Worker: "bench", Max: 100}, &answer); err != nil {
				return err
			}
			if len(answer.Leases) != 100 {
				return errors.New("a batch was not full")
			}
			if err := consumer.ack(answer.Leases); err != nil {
				return err
			}
		}
	}
	return nil
}
