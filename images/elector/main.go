// Command elector elects leaders among the replicas of an application, each of which has one beside it, and tells the application
// on localhost.
//
// # Usage
//
//	elector [-config FILE] [-check] [-version]
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
// api/openapi.yaml describes it.
//
// # Management API (management.address, default :9464)
//
// /health/ready succeeds when it has a session. /metrics has elector_leader and elector_term by election, elector_set_leaders by
// set, and elector_backend_calls_total; with raft also elector_raft_leader, elector_raft_term, elector_raft_last_index,
// elector_raft_voters and elector_raft_generation. With raft an elector is ready when it has a vote, too. /info, /config, /logs, /lifecycle and /debug/pprof are those of all images.
//
// # Signals
//
// SIGTERM, SIGINT and SIGQUIT: all seats are handed over to electors that are ready, the session ends, with raft the lead of the log is
// handed over, and the process exits, within lifecycle.grace. A second signal ends the process at once.
package main

import (
	"github.com/container-patterns/terraform-provider-pattern/images/elector/wire"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/image"
)

func main() { image.Main(wire.Definition()) }
