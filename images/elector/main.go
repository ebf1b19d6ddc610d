// Command elector elects leaders among the replicas of an application, each of which has one beside it, and tells the application
// on localhost.
//
// # Usage
//
//	elector [-config FILE] [-check] [-version]
//	elector leave [FILE]
//	elector leaders [-config FILE] [ELECTION...]
//	elector hand-over [-config FILE] [-to MEMBER] ELECTION
//
// The others ask the elector that runs with a configuration. leave lets it hand over whatever it leads (POST /v1/leave), and waits until
// it has: engines call it before they end a replica. leaders prints who leads, as JSON by the names of elections. hand-over lets it
// resign from an election, waits until another member leads (-to MEMBER: that one), and prints what has come of it (api.HandOver); the
// status is 0 if another one leads, and 1 otherwise: it does not lead itself, or nobody is ready to follow.
//
// # What it promises
//
// Of the electors of an instance at most one at a time says of an election that its own group leads, by its own clock and also
// if it was stopped, cut off, or is slow, as long as clocks do not differ in their rates by more than the lease's margin. Each
// leader has a greater term than the one before, which is its fencing token: what the application does as the leader may
// arrive late, so whatever it changes should refuse smaller terms than one that it has seen.
//
// # Backends (backend)
//
// Kubernetes keeps what electors agree by in Leases, Nomad in its variables. With raft the electors keep it themselves, on a port
// (4041) and in folders of their own: they need no access to an engine's API, and follow a leader of their log that has died within
// about 0.6 s. More than half of them must live. Folders may be lost one after the other, as in a rolling update; if more than half are
// lost at once, electors agree on a new table as soon as all of them are there, in which terms go on above all earlier ones. The package
// comment of store/raft says what that rests on.
//
// # API (listen, default 127.0.0.1:4040)
//
// api/openapi.yaml describes it. For programs in Go, package client asks it, and package fencing has what a resource needs to refuse
// the tokens of those that have led before. examples/scenarios/single-writer has the same in other languages.
//
// An answer that says that the application's group leads holds for expires_in_ms at most, by the application's own monotonic clock,
// from before it has asked; less if the seat is given away, of which on_demoted tells before, and a watch at once. When the elector
// is killed its API goes away: connections are refused. The application must act as if it did not lead when that time is over, and
// until an answer says that it does.
//
// # Callbacks (callbacks.on_elected, callbacks.on_demoted)
//
// Both are posted with the election as JSON, and answered with 2xx. on_elected is posted when a term begins, until it is answered or
// the term is over. on_demoted is posted once for each term that on_elected was posted of: before the seat is given away, which
// waits for the answer at most for callbacks.timeout, while the elector already says that it does not lead; or afterwards, where
// leadership has run out. Of one election they come in order; elections do not wait for each other.
//
// # Relay (relay.services, relay.peer)
//
// A client that connects to a service at any elector reaches the application (target) of the one that leads. Electors that do not
// lead forward to relay.peer of the one that does, which takes the connection only if it leads by its own account. Where nobody
// leads, as many connections as relay.waiting wait for relay.patience; others are closed. When leadership ends, so do the
// connections, with a reset: at once if it has run out, or when on_demoted has been answered, if the seat is given away. An open
// connection takes up to six file descriptors. Who reaches relay.peer reaches the application, as who reaches a service does.
//
// # Management API (management.address, default :9464)
//
// /health/ready succeeds when it has a session. /metrics has elector_leader and elector_term by election, elector_set_leaders by
// set, and elector_backend_calls_total; of the relay elector_relay_connections_total by service and result, _failures_total,
// _peers_total, _open and _waiting; with raft elector_raft_leader, elector_raft_term, elector_raft_last_index, elector_raft_voters and
// elector_raft_generation. With raft an elector is ready when it has a vote, too. /info, /config, /logs, /lifecycle and /debug/pprof
// are those of all images.
//
// # Signals
//
// SIGTERM, SIGINT and SIGQUIT: all seats are handed over to electors that are ready, the session ends, with raft the lead of the log is
// handed over, too, connections that were forwarded to other electors may go on for relay.drain, and the process exits, within
// lifecycle.grace. A second signal ends the process at once.
package main

import (
	"fmt"
	"os"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/wire"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/image"
)

func main() {
	if len(os.Args) > 1 {
		if command, is := commands[os.Args[1]]; is {
			if err := command(os.Args[2:]); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			return
		}
	}
	image.Main(wire.Definition())
}

// commands that ask an elector which runs.
var commands = map[string]func(args []string) error{
	"leave":     wire.Leave,
	"leaders":   func(args []string) error { return wire.Leaders(args, os.Stdout) },
	"hand-over": func(args []string) error { return wire.HandOver(args, os.Stdout) },
}
