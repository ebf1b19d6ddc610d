// Command logsaver measures the log saver and rsyslog, side by side, on the same file of 100-byte lines and the same
// core, and prints a table: lines per second, CPU seconds per million lines, peak resident memory.
//
//	go run ./test/bench/logsaver [-lines 10000000] [-cpu 1] [-dir DIRECTORY]
//
// The log saver makes durable what it writes (each object is synced, each range noted before it is written); rsyslog
// does neither. Needs Linux and Debian's rsyslog, which is installed if this is run by root.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"
)

// Targets of the project: 100-byte lines, a local directory, one core.
const (
	targetPlain = 1_000_000
	targetZstd  = 500_000
)

func main() {
	o := options{}
	flag.IntVar(&o.lines, "lines", 10_000_000, "lines in the file")
	flag.IntVar(&o.cpu, "cpu", 1, "the core that each program is pinned to")
	flag.StringVar(&o.dir, "dir", os.TempDir(), "where the files are: 100 bytes for each line, three times")
	flag.Parse()
	if err := run(os.Stdout, o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

type options struct {
	lines, cpu int
	dir        string
}

// A figure is one row of the table.
type figure struct {
	program string
	took    time.Duration
	cpu     time.Duration
	peak    int64 // bytes resident
	written int64 // bytes on disk
	target  float64
}

func (f figure) rate(lines int) float64 { return float64(lines) / f.took.Seconds() }

// run measures all and prints the table. It is an error if lines are missing, or if a target is missed.
func run(out io.Writer, o options) error {
	dir, err := os.MkdirTemp(o.dir, "bench-logsaver-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	input := filepath.Join(dir, "input", "access.log")
	fmt.Fprintf(out, "writing %d lines of 100 bytes ...\n", o.lines)
	if err := generate(input, o.lines); err != nil {
		return err
	}
	binary, err := buildSaver(dir)
	if err != nil {
		return err
	}
	var figures []figure
	for _, compression := range []struct {
		name   string
		target float64
	}{{"none", targetPlain}, {"zstd", targetZstd}, {"gzip", 0}} {
		fmt.Fprintf(out, "log saver, compression %s ...\n", compression.name)
		f, err := measureSaver(o, dir, binary, input, compression.name)
		if err != nil {
			return err
		}
		f.target = compression.target
		figures = append(figures, f)
	}
	fmt.Fprintln(out, "rsyslog ...")
	f, err := measureRsyslog(o, dir, input)
	if err != nil {
		return err
	}
	return table(out, o.lines, append(figures, f), f)
}

// table prints what was measured, each compared with the peer.
func table(out io.Writer, lines int, figures []figure, peer figure) error {
	fmt.Fprintf(out, "\n%d lines of 100 bytes, one core, a local directory\n", lines)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "program\tlines/s\ttarget\tCPU s per million lines\tpeak MiB\twritten MiB\ttimes the peer\t")
	var missed []string
	for _, f := range figures {
		rate, target := f.rate(lines), "-"
		if f.target > 0 {
			target = fmt.Sprintf("%.0f", f.target)
			if rate < f.target {
				missed = append(missed, fmt.Sprintf("%s: %.0f lines/s, wanted %.0f", f.program, rate, f.target))
			}
		}
		times := "-"
		if f.program != peer.program {
			times = fmt.Sprintf("%.1f", rate/peer.rate(lines))
		}
		fmt.Fprintf(w, "%s\t%.0f\t%s\t%.3f\t%.1f\t%.0f\t%s\t\n", f.program, rate, target,
			f.cpu.Seconds()/float64(lines)*1e6, float64(f.peak)/(1<<20), float64(f.written)/(1<<20), times)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if len(missed) > 0 {
		return fmt.Errorf("targets missed: %s", strings.Join(missed, "; "))
	}
	return nil
}
