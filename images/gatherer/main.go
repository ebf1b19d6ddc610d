// Command gatherer is the root and the parents of the paper's scatter/gather: it sends each request to all shards at once, waits
// for their answers, and makes one of them.
//
// # Usage
//
//	gatherer [-config FILE] [-check] [-version]
//
// -config names the configuration file, YAML or JSON ($PATTERN_CONFIG; default /etc/pattern/config.yaml). Package config
// documents each field. Policy and limits change while it runs; what cannot (the tree, the merge, listen) is refused and said so.
// -check validates the configuration, tells all that is wrong with it, and ends. -version tells the version.
//
// # What it promises
//
// A request goes to one replica of every shard, unchanged, with headers that tell the shard and how many milliseconds are left.
// The answer says of how many shards it is (Pattern-Coverage) and which are missing and why (Pattern-Missing), so that a part is
// never taken for the whole. Below policy.require there is no answer, but a 503 that names what is missing. A stream that turns
// out to be short of that is broken off, not ended.
//
// A replica that fails is not asked any more after a few failures, costs nothing, and comes back when it answers a probe.
// Failures are repeated at other replicas. Where hedging is on, a slow replica is overtaken by another one, within a budget. The
// replica with the least latency times outstanding requests is asked first. Requests must therefore be safe to be sent twice.
//
// Replicas may come and go: endpoints files, EndpointSlices or DNS are followed.
//
// Memory is bounded by what is worked on: limits bound bodies, parts and lines, policy.concurrency the requests at once. Streams
// (concat, ndjson) pass through.
//
// # Requests (listen, default :8080)
//
// It listens from when it is ready for the first time on. Every path and method is the leaves' own, but that leaves are asked by
// GET for a client's HEAD. It speaks HTTP/1.1 and HTTP/2 without TLS: TLS is a proxy's.
//
// # Environment
//
//	PATTERN_CONFIG                 the configuration file
//	PATTERN_NAME, PATTERN_INSTANCE, PATTERN_NAMESPACE, PATTERN_CONTAINER
//	                               who this is, where the file does not say it
//	KUBERNETES_SERVICE_HOST        EndpointSlices are watched with the mounted service account
//
// # Management API (management.address, default :9464)
//
// /health/ready succeeds when every child was reached once (or after 20 s, when enough were for an answer), the merge container
// listens, and the gatherer itself does. /metrics has gatherer_requests_total, gatherer_request_seconds, gatherer_partial_total,
// gatherer_insufficient_total, and by child gatherer_child_seconds, gatherer_attempts_total, gatherer_hedges_won_total,
// gatherer_missing_total, gatherer_invalid_total, and by replica gatherer_breaker_open, gatherer_outstanding,
// gatherer_replica_seconds.
//
// / is a page for people: the tree as a picture, with the state of each child (well, slower than its siblings, a replica not asked,
// answers missing now and then, missing) and replica, latencies, and how many answers of the last minute were complete. It is live,
// needs nothing from elsewhere, and only reads. /tree is the same as JSON, and package page describes it. What is below a parent
// is asked of one of its replicas at the port of its requests, with the header Pattern-Tree, while somebody looks; it is that
// replica's view alone. Root or parent, each gatherer has the page of what is below it.
//
// /info, /config, /logs, /lifecycle and /debug/pprof are
// those of all images.
//
// # Signals
//
// SIGTERM, SIGINT and SIGQUIT: not ready; answers close their connections for a second; requests in flight are finished; exit,
// within lifecycle.grace. A second signal ends the process at once. SIGHUP reads the configuration again.
package main

import (
	"github.com/container-patterns/terraform-provider-pattern/images/gatherer/wire"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/image"
)

func main() { image.Main(wire.Definition()) }
