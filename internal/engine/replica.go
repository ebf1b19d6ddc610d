package engine

import (
	"fmt"
	"strings"
)

// A Replica of a group.
type Replica struct {
	// Name is what it is called in itself (topology.FieldName); ID is that of its Pod or allocation.
	Name, ID string
}

// Ran is what a command has come to in a container.
type Ran struct {
	Stdout, Stderr []byte
	// Status that it has ended with.
	Status int
}

// MostOutput of a command that is kept, of each of its streams.
const MostOutput = 4 << 20

// Capped keeps the first MostOutput bytes that are written to it, and takes all others, so that whoever writes does not wait.
type Capped struct{ Bytes []byte }

// Write never fails.
func (c *Capped) Write(p []byte) (int, error) {
	c.Bytes = append(c.Bytes, p[:min(len(p), MostOutput-len(c.Bytes))]...)
	return len(p), nil
}

// NotPermittedError says that the engine refuses to run commands in containers.
type NotPermittedError struct {
	// Container and Replica in which it was asked for.
	Container, Replica string
	// Right that is missing, in the engine's own words.
	Right string
	Err   error
}

// Error names the right.
func (e *NotPermittedError) Error() string {
	return fmt.Sprintf("run a command in the container %q of %s: the credentials lack a right: %s (%s)", e.Container, e.Replica, e.Right, strings.TrimSpace(e.Err.Error()))
}

// Unwrap gives the engine's own error.
func (e *NotPermittedError) Unwrap() error { return e.Err }
