// Command queue is the paper's work queue: it takes items, hands them to workers of any container, repeats what fails, leads
// what they make of it through the stages of a pipeline, and keeps or exports what comes out.
//
// # Usage
//
//	queue [-config FILE] [-check] [-version]
//
// -config names the configuration file, YAML or JSON ($PATTERN_CONFIG; default /etc/pattern/config.yaml). Package config
// documents each field. The file is read again when it changes: stages, source, sink, limits and times follow at once; what
// cannot change without a restart (listen, store, payloads, the paths of tokens, limits.connections, management) is refused
// and said so.
// -check validates the configuration, tells all that is wrong with it, and ends. -version tells the version.
//
// # What it promises
//
// An answered request survives SIGKILL and power loss: it is answered when it is on the disk, or in the database.
//
// Delivery is at least once, effects are exactly once. An item that a worker has received is invisible to others for the
// stage's visibility, which the worker extends; when a worker is not heard of, another receives the item again. A lease names
// the item and its epoch, and only the newest epoch is acknowledged. Acknowledging ends an item and makes its outputs in one
// step, so that nothing is made twice and nothing is half made.
//
// An item that has failed max_attempts times, or for good, is a dead letter: it is kept with its error until it is redriven
// or purged. Items of a group are worked on in order, one at a time. The most urgent priority comes first, then the oldest.
//
// Names are idempotence: an item whose name its stage has, and a repetition of a deduplication ID within its window, are
// answered as duplicates and change nothing, so every push can be sent again.
//
// When the storage is full requests are answered with 507 and nothing is lost or changed. While the database is away they
// are answered with 503. Neither ends the server.
//
// Time does not jump: leases and delays do not depend on steps of the machine's clock (package clock).
//
// Memory does not grow with the number of items: with a million of them waiting it stays below 64 MiB resident, and large
// contents are streamed. Large requests share 32 MiB at once; who comes later waits.
//
// # The API (listen, default :8080)
//
// Package api describes it for Go, /v1/openapi.yaml for everybody, / is a page for people; cmd/workqueue is the client for a
// shell. Requests carry "Authorization: Bearer TOKEN". There are client tokens (push, look, fetch, redrive, purge) and worker
// tokens (receive, extend, acknowledge, give back). Several are accepted at once, one a line, and a changed file is in use
// within seconds, so that they can be exchanged without a pause. It speaks HTTP/1.1 and HTTP/2 without TLS: TLS is a proxy's.
//
// # Files
//
// The embedded store keeps queue.db (with -wal and -shm) in store.embedded.directory, which is locked against a second
// server. Contents above payloads.inline_bytes are objects of payloads.url, by default the folder "payloads" beside it. What
// was uploaded and never referred to is collected after an hour. With a postgres store nothing is kept here, and any number
// of servers share it; one of them at a time reads the source, exports, scales, forgets and collects.
//
// # Environment
//
//	PATTERN_CONFIG                          the configuration file
//	PATTERN_NAME, PATTERN_INSTANCE, PATTERN_NAMESPACE, PATTERN_CONTAINER
//	                                        who this is, where the file does not say it
//	AWS_*, GOOGLE_*, AZURE_*                credentials of buckets, as their vendors document them
//	KUBERNETES_SERVICE_HOST                 Kubernetes is asked for workers, with the mounted service account
//	NOMAD_ADDR, NOMAD_TOKEN, NOMAD_SECRETS_DIR
//	                                        else Nomad is, at its task API or this address
//	GOMEMLIMIT                              another bound of Go's heap
//
// # Management API (management.address, default :9464)
//
// /health/live fails when the process no longer answers; /health/ready fails while the store does not answer. /metrics has
// queue_items by stage and state, queue_oldest_seconds, queue_received_total, queue_attempts_total by outcome,
// queue_done_total, queue_dead_total, queue_outputs, and the histograms queue_wait_seconds, queue_work_seconds,
// queue_enqueue_seconds and queue_commit_seconds. /info, /config, /logs, /lifecycle and /debug/pprof are those of all images.
//
// The log has a line "progress" whenever the counts have changed (at most every report) and every 15 seconds; its attribute
// "report" is an api.Report.
//
// # Signals
//
// SIGTERM, SIGINT and SIGQUIT: not ready; long polls are answered at once; requests in flight are finished; the store is
// closed; exit, within lifecycle.grace. A second signal ends the process at once, which loses nothing that was answered.
// SIGHUP reads the configuration again.
package main

import (
	"github.com/container-patterns/terraform-provider-pattern/images/internal/image"
	"github.com/container-patterns/terraform-provider-pattern/images/queue/wire"
)

func main() { image.Main(wire.Definition()) }
