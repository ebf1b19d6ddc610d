package discovery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	// watchTime is about how long the API is asked to watch; watches that last are spread over servers by that.
	watchTime = 5 * time.Minute
	// listPatience is how long a list may take, and how much longer than asked a watch.
	listPatience = 30 * time.Second
	// Pauses after failures double from the least to the longest; where it is not permitted there is another try from time to
	// time, as it may be some day.
	leastPause   = 250 * time.Millisecond
	longestPause = 15 * time.Second
	refusedPause = time.Minute
	// wellAfter is how long a watch must last for the pauses to begin anew.
	wellAfter = 5 * time.Second
)

// statusError is an answer of the API that is not 200.
type statusError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func (e *statusError) Error() string {
	return fmt.Sprintf("status %d: %s", e.Code, e.Message)
}

// refused tells whether the API will not have it, now or soon.
func refused(err error) bool {
	var status *statusError
	return errors.As(err, &status) && (status.Code == http.StatusForbidden || status.Code == http.StatusNotFound)
}

// expired tells whether what is to be watched from is too long ago.
func expired(err error) bool {
	var status *statusError
	return errors.As(err, &status) && status.Code == http.StatusGone
}

// watch the slices of a Service, until ctx ends: list them, and then hear of changes (Kubernetes API Concepts, "Efficient
// detection of changes").
func (s *source) watch(ctx context.Context, service, namespace string) {
	w := watcher{
		source: s, path: "/apis/discovery.k8s.io/v1/namespaces/" + url.PathEscape(namespace) + "/endpointslices",
		selector: "kubernetes.io/service-name=" + service, pause: leastPause,
	}
	for ctx.Err() == nil {
		begun := time.Now()
		err := w.step(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(begun) > wellAfter {
			w.pause = leastPause
		}
		if err == nil && time.Since(begun) > w.pause {
			continue // the watch has had its time
		}
		pause := w.pause
		switch {
		case expired(err):
			w.version, w.exact = "", true
		case refused(err):
			w.version = ""
			pause = refusedPause
			s.refused(err)
		case err != nil:
			s.broke(err)
		}
		w.pause = min(2*w.pause, longestPause)
		timer := time.NewTimer(time.Duration(float64(pause) * (0.8 + 0.4*rand.Float64()))) //nolint:gosec // chance, not a secret
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
}

type watcher struct {
	*source
	path, selector string
	version        string // that is known; empty before the list
	exact          bool   // the list must be the newest, and not that of a server's cache
	pause          time.Duration
}

// step lists if nothing is known, and watches until the watch ends.
func (w *watcher) step(ctx context.Context) error {
	if w.version == "" {
		if err := w.list(ctx); err != nil {
			return fmt.Errorf("list: %w", err)
		}
	}
	if err := w.hear(ctx); err != nil {
		return fmt.Errorf("watch: %w", err)
	}
	return nil
}

func (w *watcher) list(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, listPatience)
	defer cancel()
	query := url.Values{"labelSelector": {w.selector}}
	if !w.exact {
		query.Set("resourceVersion", "0")
	}
	response, err := w.get(ctx, query)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var list sliceList
	if err := json.NewDecoder(response.Body).Decode(&list); err != nil {
		return err
	}
	if list.Metadata.ResourceVersion == "" {
		return errors.New("the answer is no list: it has no resourceVersion")
	}
	all := map[string]slice{}
	for _, one := range list.Items {
		all[one.Metadata.Name] = one
	}
	w.version, w.exact = list.Metadata.ResourceVersion, false
	w.know(func() { w.slices = all })
	return nil
}

// hear of changes from the version that is known.
func (w *watcher) hear(ctx context.Context) error {
	seconds := int(watchTime.Seconds() * (1 + rand.Float64())) //nolint:gosec // chance, not a secret
	ctx, cancel := context.WithTimeout(ctx, time.Duration(seconds)*time.Second+listPatience)
	defer cancel()
	response, err := w.get(ctx, url.Values{
		"labelSelector": {w.selector}, "watch": {"1"}, "allowWatchBookmarks": {"true"},
		"resourceVersion": {w.version}, "timeoutSeconds": {strconv.Itoa(seconds)},
	})
	if err != nil {
		return err
	}
	defer response.Body.Close()
	w.know(func() {}) // it works again
	decoder := json.NewDecoder(response.Body)
	for {
		var event struct {
			Type   string          `json:"type"`
			Object json.RawMessage `json:"object"`
		}
		if err := decoder.Decode(&event); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := w.apply(event.Type, event.Object); err != nil {
			return err
		}
	}
}

func (w *watcher) apply(kind string, object []byte) error {
	if kind == "ERROR" {
		status := &statusError{}
		if err := json.Unmarshal(object, status); err != nil {
			return err
		}
		if status.Code != http.StatusGone {
			w.version = "" // what came is not to be trusted
		}
		return status
	}
	var one slice
	if err := json.Unmarshal(object, &one); err != nil {
		return err
	}
	switch kind {
	case "ADDED", "MODIFIED":
		w.know(func() { w.slices[one.Metadata.Name] = one })
	case "DELETED":
		w.know(func() { delete(w.slices, one.Metadata.Name) })
	}
	if one.Metadata.ResourceVersion != "" { // that of a BOOKMARK too
		w.version = one.Metadata.ResourceVersion
	}
	return nil
}

// get an answer of status 200.
func (w *watcher) get(ctx context.Context, query url.Values) (*http.Response, error) {
	response, err := w.g.cluster.Do(ctx, http.MethodGet, w.path+"?"+query.Encode(), "", nil)
	if err != nil || response.StatusCode == http.StatusOK {
		return response, err
	}
	defer response.Body.Close()
	data, _ := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	status := &statusError{}
	if json.Unmarshal(data, status) != nil || status.Message == "" {
		status.Message = strings.TrimSpace(string(data[:min(len(data), 200)]))
	}
	status.Code = response.StatusCode
	return nil, status
}

// know what was heard.
func (s *source) know(set func()) {
	s.mu.Lock()
	set()
	again := !s.broken.IsZero()
	s.listing, s.broken = false, time.Time{}
	s.mu.Unlock()
	if again {
		s.g.options.Log.Info("endpoints are watched again", "path", s.g.name, "name", s.host)
	}
	s.g.notify()
}

// broke notes that there is no watch. What is known stays.
func (s *source) broke(err error) {
	s.mu.Lock()
	first := s.broken.IsZero()
	if first {
		s.broken = time.Now()
	}
	s.listing = false
	s.mu.Unlock()
	if first {
		s.g.options.Log.Warn("endpoints cannot be watched; it is tried again", "path", s.g.name, "name", s.host, "error", err.Error())
	}
	s.g.notify()
}

// refused notes that there will be no watch, so that DNS is asked.
func (s *source) refused(err error) {
	s.mu.Lock()
	first := s.broken.IsZero()
	if first {
		s.broken = time.Now()
	}
	s.listing, s.slices = false, nil
	s.mu.Unlock()
	if first {
		s.g.options.Log.Info("endpoints may not be watched; DNS is asked instead", "path", s.g.name, "name", s.host, "error", err.Error())
	}
	s.g.notify()
}
