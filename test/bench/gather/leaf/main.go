// Command leaf is many leaves in one process, each so cheap that what gathers from them is what a benchmark measures: they look
// for the end of a request on the bare connection, and write an answer that was made before.
//
//	leaf [-n 8] [-host 127.0.0.1] [-elements 10] [-stall 0] [-stall-for 200ms] [-delay 0] [-stats HOST:PORT]
//
//	-n          leaves, each with its own port
//	-elements   of the JSON array that is the answer: {"shard":3,"id":7,"score":0.25}, best first
//	-stall      percent of requests that wait for -stall-for before they are answered
//	-delay      of all other answers, half as much to one and a half times
//	-stats      where the counts are told; printed too when it ends
//
// The first line of its output are the leaves as HOST:PORT, separated by commas. It ends at SIGTERM or SIGINT, and says on its
// last line what it has done: {"requests":N,"stalled":N,"connections":N,"per_leaf":[N,...]}.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	n := flag.Int("n", 8, "")
	host := flag.String("host", "127.0.0.1", "")
	elements := flag.Int("elements", 10, "")
	percent := flag.Float64("stall", 0, "")
	stall := flag.Duration("stall-for", 200*time.Millisecond, "")
	delay := flag.Duration("delay", 0, "")
	stats := flag.String("stats", "", "")
	flag.Parse()
	if err := run(*n, *host, *elements, *percent, *stall, *delay, *stats); err != nil {
		fmt.Fprintln(os.Stderr, "leaf:", err)
		os.Exit(1)
	}
}

func run(n int, host string, elements int, percent float64, stall, delay time.Duration, stats string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	var leaves []*leaf
	var addresses []string
	for shard := range n {
		listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
		if err != nil {
			return err
		}
		l := &leaf{answer: answer(shard, elements), stallOf: percent / 100, stallFor: stall, delay: delay}
		leaves = append(leaves, l)
		addresses = append(addresses, listener.Addr().String())
		go l.serve(listener)
	}
	if stats != "" {
		listener, err := net.Listen("tcp", stats)
		if err != nil {
			return err
		}
		go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { //nolint:errcheck // it ends with the process
			fmt.Fprintln(w, counts(leaves))
		}))
	}
	fmt.Println(strings.Join(addresses, ","))
	<-ctx.Done()
	fmt.Println(counts(leaves))
	return nil
}

func counts(leaves []*leaf) string {
	var sum struct {
		Requests    int64   `json:"requests"`
		Stalled     int64   `json:"stalled"`
		Connections int64   `json:"connections"`
		PerLeaf     []int64 `json:"per_leaf"`
	}
	for _, l := range leaves {
		requests := l.requests.Load()
		sum.Requests += requests
		sum.Stalled += l.stalled.Load()
		sum.Connections += l.connections.Load()
		sum.PerLeaf = append(sum.PerLeaf, requests)
	}
	text, err := json.Marshal(sum)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// answer of a shard, whole.
func answer(shard, elements int) []byte {
	body := []byte("[")
	for i := range elements {
		if i > 0 {
			body = append(body, ',')
		}
		body = fmt.Appendf(body, `{"shard":%d,"id":%d,"score":%.4f}`, shard, i, 1/float64(1+i*8+shard))
	}
	body = append(body, ']')
	return fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}
