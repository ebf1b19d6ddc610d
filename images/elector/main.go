// Command elector elects leaders among the replicas of an application, each of which has one beside it, and tells the application
// on localhost.
//
// # Usage
//
//	elector [-config FILE] [-check] [-version]
//	elector leave [FILE]
//
// The second asks the elector that runs with a configuration to hand over whatever it leads (POST /v1/leave), and waits until it
// has: engines call it before they end a replica.
//
// # What it promises
//
// Of the electors of an instance at most one at a time says of an election that its own group leads, by its own clock and also
// if it was stopped, cut off, or is slow, as long as clocks do not differ in their rates by more than the lease's margin. Each
// leader has a greater term than the one before, which is its fencing token: what the application does as the leader may
// arrive late, so whatever it changes should refuse smaller terms than one that it has seen.
//
// # API (listen, default 127.0.0.1:4040)
//
// api/openapi.yaml describes it.
//
// # Management API (management.address, default :9464)
//
// /health/ready succeeds when it has a session. /metrics has elector_leader and elector_term by election, elector_set_leaders by
// set, and elector_backend_calls_total. /info, /config, /logs, /lifecycle and /debug/pprof are those of all images.
//
// # Signals
//
// SIGTERM, SIGINT and SIGQUIT: all seats are handed over to electors that are ready, the session ends, and the process exits,
// within lifecycle.grace. A second signal ends the process at once.
package main

import (
	"fmt"
	"os"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/wire"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/image"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "leave" {
		if err := wire.Leave(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	image.Main(wire.Definition())
}
