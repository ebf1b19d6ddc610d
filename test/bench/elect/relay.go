package main

import (
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
)

// line of a Go benchmark of package relay.
var line = regexp.MustCompile(`(?m)^Benchmark(Copy|Connect)/(\S+?)(?:-\d+)?\s+\d+\s+(\S+) ns/op(?:\s+(\S+) MB/s)?`)

// relay has the package's own benchmarks run.
func (b *bench) relay() error {
	for _, benchmark := range [][2]string{{"Connect", "3000x"}, {"Copy", "3x"}} {
		name, times := benchmark[0], benchmark[1]
		out, err := exec.Command("go", "test", "-run", "^$", "-bench", "^Benchmark"+name+"$", "-benchtime", times, "./images/elector/relay").CombinedOutput() //nolint:gosec // our own
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		for _, found := range line.FindAllStringSubmatch(string(out), -1) {
			way := strings.ReplaceAll(found[2], "_", " ")
			ns, _ := strconv.ParseFloat(found[3], 64)
			rate, _ := strconv.ParseFloat(found[4], 64)
			if rate > 0 {
				b.table.Figure("relay: bytes, "+way, fmt.Sprintf("%.0f MB/s", rate))
				continue
			}
			b.table.Figure("relay: a connection, "+way, fmt.Sprintf("%.0f µs", ns/1000))
		}
	}
	return nil
}
