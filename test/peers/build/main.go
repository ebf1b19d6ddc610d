// Command build makes all peers that tests may want, so that no test waits for a compiler:
//
//	go run ./test/peers/build          # all of them: minutes, once per machine
//	go run ./test/peers/build NAME...  # versitygw, fakegcs, azurite, loki
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/test/peers"
)

func main() {
	names := os.Args[1:]
	if len(names) == 0 {
		names = peers.Names()
	}
	failed := false
	for _, name := range names {
		begin := time.Now()
		path, err := peers.Make(name)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			failed = true
			continue
		}
		fmt.Printf("%6.1fs  peers       %s: %s\n", time.Since(begin).Seconds(), name, path)
	}
	if failed {
		os.Exit(1)
	}
}
