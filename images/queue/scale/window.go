package scale

import "time"

// window remembers what was wanted lately. Scaling in goes by the highest of it, so that a short calm takes no worker
// away, and only once it has been watched for all of its length: whoever has just begun to watch knows nothing.
type window struct {
	began time.Time
	seen  []wish // descending in n, ascending in time: only what could still be the highest
}

type wish struct {
	at time.Time
	n  int
}

// add what is wanted now; enough is the highest within length, and sure that it was watched for that long.
func (w *window) add(now time.Time, n int, length time.Duration) (enough int, sure bool) {
	if w.began.IsZero() || now.Before(w.began) {
		w.began, w.seen = now, nil
	}
	for len(w.seen) > 0 && w.seen[len(w.seen)-1].n <= n {
		w.seen = w.seen[:len(w.seen)-1]
	}
	w.seen = append(w.seen, wish{now, n})
	for now.Sub(w.seen[0].at) > length {
		w.seen = w.seen[1:]
	}
	return w.seen[0].n, now.Sub(w.began) >= length
}
