// Command worker is the entry point of a stage's containers: it asks the queue for items, has the developer's program work
// on them, and tells the queue what became of each. The developer's image stays as it is: it needs neither a shell nor a C
// library for this, and any user, a read-only root and no capabilities are enough.
//
// # Usage
//
//	worker install FOLDER
//	worker [-config FILE] [-check] [-version]
//
// install copies the program to FOLDER/worker, whole or not at all, executable by all; it may be repeated. An init
// container does that, into a volume that it shares with the developer's container, whose entry point the copy then is.
//
// -config names the configuration file, YAML or JSON ($PATTERN_CONFIG; default /etc/pattern/config.yaml). Package config
// documents each field. But for the log's level and the grace nothing changes without a restart. -check validates it, tells
// all that is wrong, and ends. -version tells the version.
//
// # A command per item (mode exec)
//
// Up to concurrency items are worked on at once, each by a process group of its own, with standard input from /dev/null, in
// the image's own working directory and environment (without PATTERN_*), and with
//
//	WORK_ITEM_FILE    the input; its last name is that of the item, so that its extension is kept
//	WORK_OUTPUT_FILE  a file that is not there yet; if it is afterwards, it is the output of the item's name
//	WORK_OUTPUT_DIR   an empty folder; each regular file below it is an output of the name ITEM/FILE
//	WORK_ITEM_NAME, WORK_STAGE
//	WORK_ATTEMPT      from 1
//	WORK_DEADLINE     RFC 3339; the attempt is ended then
//
// $(WORK_ITEM_FILE) and the like are replaced in the command's arguments; $$(WORK_ITEM_FILE) stands for itself.
//
// The exit code says what becomes of the item: exit_codes.done (0), exit_codes.retry (75), any other makes it a dead letter.
// To retry are also a timeout, and a signal that nobody here sent: the kernel's, when memory is short. The last 4 KiB of
// standard error go with a failure. What is told by standard output and error is the container's log, unchanged, because
// log tools expect the program's own format; lines of standard error are kept whole. A program that runs several items at
// once and wants to tell them apart says WORK_ITEM_NAME.
//
// Outputs that are links, devices or pipes, that have names which the queue would refuse, or that are more than 10,000, make
// the item a dead letter. Outputs up to 32 KiB, 1 MiB in all, go with the acknowledgement; others are uploaded before.
// Nothing counts before the acknowledgement, and that counts only while the lease is held: a worker that was cut off cannot
// do what another has done.
//
// At a timeout, and at the end of the worker's own grace, the group gets SIGTERM and, after kill_after, SIGKILL. When the
// command has ended, the rest of its group is killed; so are descendants that have left it (setsid), by WORK_OUTPUT_DIR in
// their environment. Who has wiped that as well is killed as soon as no other item is in work. Orphans of all kinds are
// reaped. A process that the kernel cannot end (state D) holds its slot.
//
// # A server for all items (mode http)
//
// The command is started once, with the container's environment and WORK_STAGE, and again when it ends (after 100 ms,
// doubled up to 30 s). It must stay in the foreground. Once it is ready, items are posted to it, on 127.0.0.1, with the
// headers Work-Item-Name, Work-Attempt and Work-Deadline. 2xx: the body is the output of the item's name (204: no output).
// 408, 425, 429 and 5xx, a timeout, and a connection that breaks: to retry, as late as Retry-After says. Others: a dead
// letter, with the head of the body.
//
// # Items ahead
//
// Short items are received and acknowledged in batches, so that slots do not wait for the queue: as many ahead as the slots
// use up during four requests, at most 100 and 4 MiB. Long items are not taken ahead. What has not been begun after 2 s is
// given back. All leases are extended by one request each third of the visibility timeout.
//
// While the queue is away, items in work go on, and what became of them is told when it is back, to any of the servers in
// queue.endpoints_file (read again with each request).
//
// # Termination
//
// SIGTERM, SIGINT and SIGQUIT: nothing more is received; what was not begun is given back at once; what runs may finish
// until the grace (lifecycle.grace, of which three quarters are for this) leaves just the time to end it; such items are
// given back and their attempt does not count. A second signal ends the worker at once: leases end by themselves then.
// SIGUSR1 and SIGUSR2 are passed on to the commands, SIGHUP to a server.
//
// When the queue wants to take the worker away, it gets no more items and stays ready; it works on if the queue changes its
// mind.
//
// # Files
//
// work_dir (writable; a folder in memory is best) has a folder for each item in work. Nothing else is written.
//
// # Environment
//
//	PATTERN_CONFIG                          the configuration file
//	PATTERN_INDEX, or what index_env names  the replica's number; default: the end of the host's name, or 0
//	PATTERN_NAME, PATTERN_INSTANCE, PATTERN_NAMESPACE, PATTERN_CONTAINER
//	                                        who this is, where the file does not say it
//	PATH                                    where the command is looked for
//	GOMEMLIMIT                              another bound of Go's heap
//
// # Management API (management.address, default :9464)
//
// /health/ready fails when the queue has not answered for 30 s, and while a server is not ready. /metrics has
// worker_items_total by outcome (done, retry, permanent, released, lease_lost), worker_item_seconds, worker_running,
// worker_prefetched, worker_lease_lost_total and worker_queue_up. /info, /config, /logs, /lifecycle and /debug/pprof are
// those of all images.
//
// # Exit codes
//
//	0   terminated in order          2   panic
//	1   the command cannot be started (it is looked at before anything is received), or work_dir cannot be written
//	3   the grace ended before the work did
//	78  the configuration is invalid
package main

import (
	"fmt"
	"os"

	"github.com/container-patterns/terraform-provider-pattern/images/internal/image"
	"github.com/container-patterns/terraform-provider-pattern/images/worker/install"
	"github.com/container-patterns/terraform-provider-pattern/images/worker/wire"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "install" {
		if len(os.Args) != 3 {
			fmt.Fprintln(os.Stderr, "usage: worker install FOLDER")
			os.Exit(2)
		}
		if err := install.To(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	image.Main(wire.Definition())
}
