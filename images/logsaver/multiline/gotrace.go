package multiline

import "regexp"

var (
	goroutine = regexp.MustCompile(`^goroutine \d+ .*\[.*\]:$`)
	// goFrame is a function's line of a trace: main.work(0x1, ...), created by main.main in goroutine 1.
	goFrame = regexp.MustCompile(`^(created by |[\w./\-%*()·\[\]{}]+\(.*\)$)`)
)

// goTrace joins a panic, a fatal error or a dump of goroutines: from its first line over the frames of all goroutines.
type goTrace struct{ open, trace bool }

func (g *goTrace) Begins(line []byte) bool {
	begins := !g.open
	g.open = true
	switch {
	case hasPrefix(line, "panic: ", "fatal error: ", "SIGQUIT: ", "unexpected fault address", "runtime: goroutine stack exceeds"):
		// "panic: b" directly in a trace is a panic while panicking ("panic: a\n\tpanic: b" has a tab before it).
		begins = begins || !g.trace
		g.trace = true
		return begins
	case g.trace && (len(line) == 0 || line[0] == '\t' || goroutine.Match(line) || goFrame.Match(line) ||
		hasPrefix(line, "[signal ", "goroutine ", "exit status ", "PC=", "...additional frames", "runtime stack:", "[recovered")):
		if hasPrefix(line, "exit status ") {
			g.trace = false
		}
		return begins
	case goroutine.Match(line):
		g.trace = true
		return true
	}
	g.trace = false
	return true
}

func (g *goTrace) Reset() { *g = goTrace{} }
