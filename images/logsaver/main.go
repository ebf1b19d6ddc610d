// Command logsaver is the paper's log saver: it follows log files on a shared volume and streams what is written to
// them to cluster storage, beside a main container that knows nothing of it.
//
// # Usage
//
//	logsaver [-config FILE] [-check] [-version]
//
// -config names the configuration file, YAML or JSON ($PATTERN_CONFIG; default /etc/pattern/config.yaml). Package
// config documents each field. The file is read again when it changes; what cannot change without a restart
// (state_dir, source, management) is refused and said so.
// -check validates the configuration, tells all that is wrong with it, and ends. -version tells the version.
//
// # What it promises
//
// No line is lost, and in an object store or a directory no line is there twice, however often the saver is killed.
// Before a range of a file is sent, it is noted on disk; after a restart the same range is sent again, to the same
// object name. Sinks without names (HTTP, syslog) may get a batch twice after a crash; Loki drops what it has.
//
// Files are known by device, inode and fingerprint, not by name. A renamed or removed file is read to its end. A
// truncated file (copytruncate) begins anew; its copy, where a glob or a rotation's suffix names it, gives back what was
// not read, else it is counted in logsaver_lost_bytes_total.
//
// While the sink is away, batches go to a spool on disk of bounded size. When it is full, reading stops and the files
// are the buffer; or lines are dropped and counted, if the configuration says so.
//
// A batch that the sink refuses for good (Loki: a line too long for it) while it takes others is put aside, as a file
// .refused in the spool, and counted; only the last four are kept.
//
// Memory does not grow with the number of files or the length of an outage: about 12 MiB and five times
// batch.max_bytes.
//
// # Objects
//
//	PREFIX SOURCE/INPUT/FILE/IDENTITY/START-END.log[.gz|.zst]
//
// SOURCE tells the copies of a group apart, FILE is the path below the fixed part of the glob, IDENTITY one file under
// that path (a rotation begins a new one), START and END are bytes of it. Lines keep their order within an identity.
// A line longer than max_line_bytes is split: each piece but the last ends in " <continues>", each but the first begins
// with "<continued> ".
//
// # Files
//
// The saver writes to state_dir and spool.dir, and nowhere else. It needs no privilege but to read the log files.
//
// # Environment
//
//	PATTERN_CONFIG                          the configuration file
//	PATTERN_NAME, PATTERN_INSTANCE, PATTERN_NAMESPACE, PATTERN_CONTAINER
//	                                        who this is, where the file does not say it
//	HOSTNAME, or any that source names      which copy of the group this is
//	AWS_*, GOOGLE_*, AZURE_*                credentials of the object store, as its SDK documents them
//	GOMEMLIMIT                              another bound of Go's heap
//
// # Management API (management.address, default :9464)
//
// /health/live fails when the files have not been looked at for a minute. /health/ready fails when the sink refuses
// what is sent (no such bucket, wrong credentials) or the checkpoint cannot be written; an outage of the sink is no
// reason. /metrics has logsaver_file_lag_bytes and _seconds per file, logsaver_spool_bytes, logsaver_sink_up,
// logsaver_dropped_lines_total and more. /info, /config, /logs, /lifecycle and /debug/pprof are those of all images.
//
// # Signals
//
// SIGTERM, SIGINT and SIGQUIT: not ready; read all files to their present end, an unfinished last line included;
// deliver; write the checkpoint; exit, within shutdown.grace. A second signal ends the process at once, which loses
// nothing while the volumes live. SIGHUP reads the configuration again.
package main

import (
	"github.com/container-patterns/terraform-provider-pattern/images/internal/image"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/wire"
)

func main() { image.Main(wire.Definition()) }
