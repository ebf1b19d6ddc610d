package metrics

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/batch"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/deliver"
	"github.com/container-patterns/terraform-provider-pattern/images/logsaver/saver"
)

type source struct{}

func (source) Files(time.Time) []saver.FileStatus {
	return []saver.FileStatus{
		{Input: "app", Path: "/logs/a.log", LagBytes: 10, LagTime: 2 * time.Second},
		{Input: "app", Path: "/logs/a.log", LagBytes: 5, LagTime: 3 * time.Second}, // an older one of the same name
	}
}
func (source) Sink() deliver.Status {
	return deliver.Status{Err: errors.New("refused"), Permanent: true}
}
func (source) Spool() (batches, lines int, bytes, limit int64) { return 2, 30, 400, 5000 }

func TestWhatIsShown(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	m := New(registry)
	m.Ask(source{})
	m.Read("app", 7, 700, 1)
	m.Replayed("app", 3)
	m.Truncated("app")
	m.Lost("app", "truncated", 9)
	m.Unreadable()
	m.Delivered(&batch.Batch{Lines: 7, Records: make([]byte, 700)}, time.Millisecond)
	m.Failed(false)
	m.Failed(true)
	m.Failed(true)
	m.Spooled(nil)
	m.Dropped("drop_oldest", 4, 44)
	require.NoError(t, testutil.GatherAndCompare(registry, strings.NewReader(`
# HELP logsaver_dropped_lines_total Lines given up, by the reason: the spool was full (drop_oldest, drop_newest), or the sink refuses them for good (refused).
# TYPE logsaver_dropped_lines_total counter
logsaver_dropped_lines_total{policy="drop_oldest"} 4
# HELP logsaver_failed_attempts_total Attempts at the sink that failed and are repeated.
# TYPE logsaver_failed_attempts_total counter
logsaver_failed_attempts_total{kind="permanent"} 2
logsaver_failed_attempts_total{kind="transient"} 1
# HELP logsaver_file_lag_bytes Bytes of the file that are neither in the sink nor in the spool.
# TYPE logsaver_file_lag_bytes gauge
logsaver_file_lag_bytes{input="app",path="/logs/a.log"} 15
# HELP logsaver_file_lag_seconds How long ago the oldest of these bytes was seen.
# TYPE logsaver_file_lag_seconds gauge
logsaver_file_lag_seconds{input="app",path="/logs/a.log"} 3
# HELP logsaver_lost_bytes_total Bytes that may be missing, because a file was truncated or removed before they were saved.
# TYPE logsaver_lost_bytes_total counter
logsaver_lost_bytes_total{input="app",reason="truncated"} 9
# HELP logsaver_lines_total Lines read, each once (the pieces of a split line count).
# TYPE logsaver_lines_total counter
logsaver_lines_total{input="app"} 7
# HELP logsaver_sink_refuses 1 if the sink will go on failing until somebody changes something: no such bucket, wrong credentials.
# TYPE logsaver_sink_refuses gauge
logsaver_sink_refuses 1
# HELP logsaver_spool_bytes Bytes that wait on disk.
# TYPE logsaver_spool_bytes gauge
logsaver_spool_bytes 400
# HELP logsaver_truncations_total Files found truncated.
# TYPE logsaver_truncations_total counter
logsaver_truncations_total{input="app"} 1
`), "logsaver_dropped_lines_total", "logsaver_failed_attempts_total", "logsaver_file_lag_bytes", "logsaver_file_lag_seconds",
		"logsaver_lost_bytes_total", "logsaver_lines_total", "logsaver_sink_refuses", "logsaver_spool_bytes", "logsaver_truncations_total"))
	problems, err := testutil.GatherAndLint(registry)
	require.NoError(t, err)
	require.Empty(t, problems)
}

func TestBeforeThereIsASaverThereAreOnlyCounters(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	New(registry)
	count, err := testutil.GatherAndCount(registry, "logsaver_sink_up")
	require.NoError(t, err)
	require.Zero(t, count)
}
