// Step is the developer's command of the fault harness: it adds to the item's content who has worked on it, and keeps a
// record of its own that it did.
package main

import (
	"fmt"
	"math/rand/v2"
	"os"
)

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(75)
	}
}

func run(record string) error {
	content, err := os.ReadFile(os.Getenv("WORK_ITEM_FILE"))
	if err != nil {
		return err
	}
	stage, work := os.Getenv("WORK_STAGE"), 1<<40+rand.Int64N(1<<60) //nolint:gosec // a name, not a secret
	effects, err := os.OpenFile(record, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer effects.Close()
	if _, err := fmt.Fprintf(effects, "%s %s %d\n", stage, os.Getenv("WORK_ITEM_NAME"), work); err != nil {
		return err
	}
	return os.WriteFile(os.Getenv("WORK_OUTPUT_FILE"), fmt.Appendf(content, " %s:%d", stage, work), 0o600)
}
