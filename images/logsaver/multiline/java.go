package multiline

import (
	"bytes"
	"regexp"
)

// throwable is the first line of a trace that was printed without a message before it: "java.io.IOException: gone",
// "Exception in thread "main" ...". The class name is qualified, or nothing would tell it from prose.
var throwable = regexp.MustCompile(`^(Exception in thread "|([a-z_$][\w$]*\.)+[\w$]*(Exception|Error|Throwable)\b)`)

// java joins what Throwable.printStackTrace prints to the log line before it.
type java struct{ open, message bool }

func (j *java) Begins(line []byte) bool {
	begins := !j.continues(line)
	if begins {
		// A throwable right below a message of the logger belongs to it; a second one is a record of its own.
		j.message = !throwable.Match(line)
	}
	j.open = true
	return begins
}

func (j *java) continues(line []byte) bool {
	if !j.open {
		return false
	}
	if hasPrefix(line, "Caused by: ", "Suppressed: ") {
		return true
	}
	if indented(line) {
		text := bytes.TrimLeft(line, " \t")
		return hasPrefix(text, "at ", "... ", "Caused by: ", "Suppressed: ", "[CIRCULAR REFERENCE") || line[0] == '\t'
	}
	if j.message && throwable.Match(line) {
		j.message = false
		return true
	}
	return false
}

func (j *java) Reset() { *j = java{} }
