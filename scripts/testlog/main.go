// Testlog reads go test -json and tells what a reader wants to know: a line for each package or top-level test that ends,
// all that a failed one has printed, and at the end the reasons of failures and of what was skipped, and the counts.
//
//	go test -json ./... | go run ./scripts/testlog [-v]
//
// -v has a line for each test as well. It exits with 1 if something failed.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

func main() {
	failed, err := report(os.Stdin, os.Stdout, slices.Contains(os.Args[1:], "-v"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "testlog:", err)
	}
	if failed || err != nil {
		os.Exit(1)
	}
}

// An event is what test2json writes.
type event struct {
	Action, Package, ImportPath, Test, Output string
	FailedBuild                               string
	Elapsed                                   float64
}

// The list of failures at the end has the beginning of what each has printed, for whom all of it is too long.
const (
	reasonLines = 8
	reasonWidth = 300
)

// key is whose output it is: a test's, a package's, or a compilation's.
func (e event) key() string { return e.Package + e.ImportPath + "\x00" + e.Test }

func report(in io.Reader, out io.Writer, verbose bool) (failed bool, err error) {
	output := map[string][]string{}
	passed, failures, skips, fails := 0, 0, []string{}, []string{}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 16<<20) // a line of output may be long
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil { // what the go command says itself
			fmt.Fprintln(out, lines.Text())
			continue
		}
		short := e.Package[strings.LastIndex(e.Package, "/")+1:]
		top := e.Test != "" && !strings.Contains(e.Test, "/")
		switch e.Action {
		case "output", "build-output":
			if !frame(e.Output) {
				output[e.key()] = append(output[e.key()], e.Output)
			}
			continue
		case "pass":
			if e.Test != "" {
				passed++
			}
			if e.Test == "" && len(output[e.key()]) > 0 || top && verbose {
				fmt.Fprintf(out, "ok    %s %s (%.1fs)\n", short, e.Test, e.Elapsed)
			}
		case "skip":
			if e.Test != "" {
				skips = append(skips, e.Test+": "+last(output[e.key()]))
			}
		case "fail":
			failed = true
			if e.Test != "" {
				failures++
				fails = append(fails, short+" "+e.Test)
			} else if e.FailedBuild != "" {
				failures++
				fails = append(fails, short+" does not compile")
				output[e.key()] = output[event{ImportPath: e.FailedBuild}.key()]
			}
			fmt.Fprintf(out, "FAIL  %s %s (%.1fs)\n", short, e.Test, e.Elapsed)
			for i, line := range output[e.key()] {
				fmt.Fprint(out, "      ", line)
				if i < reasonLines {
					reason := []rune(strings.TrimRight(line, "\n"))
					fails = append(fails, "      "+string(reason[:min(len(reason), reasonWidth)]))
				}
			}
		default:
			continue
		}
		delete(output, e.key())
	}
	if len(skips) > 0 {
		slices.Sort(skips)
		fmt.Fprintf(out, "skipped:\n      %s\n", strings.Join(skips, "\n      "))
	}
	if len(fails) > 0 {
		fmt.Fprintf(out, "failed:\n      %s\n", strings.Join(fails, "\n      "))
	}
	fmt.Fprintf(out, "%d passed, %d failed, %d skipped\n", passed, failures, len(skips))
	return failed, lines.Err()
}

// frame is what go test prints around the output of tests.
func frame(line string) bool {
	line = strings.TrimLeft(line, " ")
	for _, prefix := range []string{"=== ", "--- PASS", "--- FAIL", "--- SKIP", "PASS\n", "FAIL\n", "FAIL\t"} {
		if strings.HasPrefix(line, prefix) {
			return true
		}
	}
	return false
}

// last is the reason that a test gave for skipping.
func last(output []string) string {
	if len(output) == 0 {
		return "no reason given"
	}
	return strings.TrimSpace(output[len(output)-1])
}
