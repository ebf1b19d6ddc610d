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
	"slices"
	"strings"
	"time"
)

// endpointSlice is the part of discovery.k8s.io/v1 EndpointSlice that is needed.
type endpointSlice struct {
	Metadata  metadata `json:"metadata"`
	Endpoints []struct {
		Addresses  []string `json:"addresses"`
		Conditions struct {
			Ready   *bool `json:"ready"`
			Serving *bool `json:"serving"`
		} `json:"conditions"`
	} `json:"endpoints"`
}

type metadata struct {
	Name            string `json:"name"`
	ResourceVersion string `json:"resourceVersion"`
}

// Pauses after failures of the API.
const (
	firstPause = 200 * time.Millisecond
	longPause  = 10 * time.Second
	// watchTime ends a watch in order, so that one that hangs is noticed.
	watchTime = 5 * time.Minute
)

// errForbidden says that the API is not for this Pod.
var errForbidden = errors.New("the service account may not watch EndpointSlices")

// slices follows the EndpointSlices of a service, until the context ends; false at once where that is not possible: the name is no
// Service's, or the API does not permit it.
func (f *Follower) slices(ctx context.Context, host string, found func(hosts []string)) bool {
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	service, namespace := labels[0], f.cluster.Namespace
	switch {
	case len(labels) >= 2 && (len(labels) == 2 || labels[2] == "svc"):
		namespace = labels[1]
	case len(labels) > 1:
		return false
	}
	path := fmt.Sprintf("/apis/discovery.k8s.io/v1/namespaces/%s/endpointslices?labelSelector=%s",
		url.PathEscape(namespace), url.QueryEscape("kubernetes.io/service-name="+service))
	known := map[string]endpointSlice{}
	pause, told := firstPause, false
	for {
		version, err := f.list(ctx, path, known)
		if errors.Is(err, errForbidden) {
			f.options.Log.Info("names are asked of DNS", "reason", err.Error())
			return false
		}
		for err == nil {
			found(hosts(known))
			pause, told = firstPause, false
			version, err = f.watch(ctx, path, version, known, func() { found(hosts(known)) })
		}
		if ctx.Err() != nil {
			return true
		}
		if !errors.Is(err, errGone) {
			if !told {
				f.options.Log.Warn("EndpointSlices are not watched; what is known holds", "service", host, "error", err.Error())
				told = true
			}
			select {
			case <-ctx.Done():
				return true
			case <-time.After(pause/2 + rand.N(pause)): //nolint:gosec // jitter, not a secret
			}
			pause = min(2*pause, longPause)
		}
	}
}

// hosts that are ready; where none is, those that still serve.
func hosts(known map[string]endpointSlice) []string {
	var ready, serving []string
	for _, s := range known {
		for _, e := range s.Endpoints {
			switch {
			case e.Conditions.Ready == nil || *e.Conditions.Ready: // unknown is ready, says the API
				ready = append(ready, e.Addresses...)
			case e.Conditions.Serving != nil && *e.Conditions.Serving:
				serving = append(serving, e.Addresses...)
			}
		}
	}
	if len(ready) == 0 {
		ready = serving
	}
	slices.Sort(ready)
	return slices.Compact(ready)
}

func (f *Follower) ask(ctx context.Context, path string) (*http.Response, error) {
	response, err := f.cluster.Do(ctx, http.MethodGet, path, "", nil)
	if err != nil {
		return nil, err
	}
	if response.StatusCode == http.StatusOK {
		return response, nil
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(response.Body, 300)) // only to say more
	switch response.StatusCode {
	case http.StatusForbidden, http.StatusUnauthorized, http.StatusNotFound:
		return nil, fmt.Errorf("%w: %s", errForbidden, text)
	case http.StatusGone:
		return nil, errGone
	}
	return nil, fmt.Errorf("%s: %s", response.Status, text)
}

// list replaces what is known, and gives the version from which to watch.
func (f *Follower) list(ctx context.Context, path string, known map[string]endpointSlice) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, longPause)
	defer cancel()
	response, err := f.ask(ctx, path)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	var list struct {
		Metadata metadata        `json:"metadata"`
		Items    []endpointSlice `json:"items"`
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, 64<<20)).Decode(&list); err != nil {
		return "", fmt.Errorf("list of EndpointSlices: %w", err)
	}
	clear(known)
	for _, s := range list.Items {
		known[s.Metadata.Name] = s
	}
	return list.Metadata.ResourceVersion, nil
}

// errGone says that the version is too old to watch from.
var errGone = errors.New("the version is gone")

// watch applies changes to what is known. It gives the version up to which, when the watch ends in order.
func (f *Follower) watch(ctx context.Context, path, version string, known map[string]endpointSlice, changed func()) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, watchTime+longPause)
	defer cancel()
	response, err := f.ask(ctx, fmt.Sprintf("%s&watch=1&allowWatchBookmarks=true&timeoutSeconds=%d&resourceVersion=%s", path, int(watchTime.Seconds()), url.QueryEscape(version)))
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	events := json.NewDecoder(response.Body)
	for {
		var event struct {
			Type   string          `json:"type"`
			Object json.RawMessage `json:"object"`
		}
		switch err := events.Decode(&event); {
		case errors.Is(err, io.EOF):
			return version, nil
		case err != nil:
			return "", fmt.Errorf("watch of EndpointSlices: %w", err)
		}
		if event.Type == "ERROR" {
			var status struct {
				Code    int    `json:"code"`
				Message string `json:"message"`
			}
			if json.Unmarshal(event.Object, &status) == nil && status.Code == http.StatusGone {
				return "", errGone
			}
			return "", fmt.Errorf("watch of EndpointSlices: %s", status.Message)
		}
		var s endpointSlice
		if err := json.Unmarshal(event.Object, &s); err != nil {
			return "", fmt.Errorf("watch of EndpointSlices: %w", err)
		}
		version = s.Metadata.ResourceVersion
		switch event.Type {
		case "ADDED", "MODIFIED":
			known[s.Metadata.Name] = s
		case "DELETED":
			delete(known, s.Metadata.Name)
		default: // BOOKMARK
			continue
		}
		changed()
	}
}
