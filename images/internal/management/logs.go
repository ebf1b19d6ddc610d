package management

import (
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/internal/logging"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/settings"
)

// logs answers with the last records as JSON lines: ?n= how many (100), ?level= the least level, ?follow=true to go on with new ones.
func (a api) logs(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	count := 100
	if text := query.Get("n"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			answer(w, http.StatusBadRequest, map[string]string{"error": fmt.Sprintf("n: must be a number of records, got %q", text)})
			return
		}
		count = n
	}
	level := slog.LevelDebug
	if text := query.Get("level"); text != "" {
		parsed, err := (settings.Log{Level: text}).SlogLevel()
		if err != nil {
			answer(w, http.StatusBadRequest, map[string]string{"error": "level: " + err.Error()})
			return
		}
		level = parsed
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Cache-Control", "no-store")
	if follow, _ := strconv.ParseBool(query.Get("follow")); follow {
		a.follow(w, r, count, level)
		return
	}
	for _, record := range a.Log.Ring.Last(count, level) {
		if _, err := w.Write(record.Line); err != nil {
			return
		}
	}
}

func (a api) follow(w http.ResponseWriter, r *http.Request, count int, level slog.Level) {
	stream := http.NewResponseController(w)
	write := func(line []byte) error {
		if err := stream.SetWriteDeadline(time.Now().Add(headerTimeout)); err != nil {
			return err
		}
		if _, err := w.Write(line); err != nil {
			return err
		}
		return stream.Flush()
	}
	emit := func(record logging.Record) error { return write(record.Line) }
	missed := func(n uint64) error {
		return write(fmt.Appendf(nil, "{\"level\":\"WARN\",\"msg\":\"records missed by this reader\",\"missed\":%d}\n", n))
	}
	_ = stream.Flush() // the reader knows at once that it follows
	if !a.Log.Ring.Follow(r.Context(), count, level, emit, missed) {
		_ = write([]byte("{\"level\":\"WARN\",\"msg\":\"too many readers follow this log already\"}\n"))
	}
}
