// Package kubernetes is a store of records in Leases (coordination.k8s.io), by plain HTTP with the Pod's service account.
//
// Each record is an annotation of a Lease of its own, which is there already: an elector may read, watch and patch the Leases that
// are named in its grant, and make or delete none. Their spec says the same for people, and for tools that look at Leases.
package kubernetes

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/store"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/incluster"
)

// Annotation that holds a record.
const Annotation = "container-patterns.dev/elector"

// Shown is what of a record is shown in the spec of its Lease.
type Shown struct {
	HolderIdentity       string `json:"holderIdentity,omitempty"`
	LeaseDurationSeconds int    `json:"leaseDurationSeconds,omitempty"`
	RenewTime            string `json:"renewTime,omitempty"`
}

// A Store of one instance.
type Store struct {
	api    *incluster.Client
	prefix string
	show   func(key string, value []byte) Shown
}

var _ store.Store = (*Store)(nil)

// New keeps the record KEY in the Lease PREFIXKEY of the Pod's namespace. Show may be nil.
func New(api *incluster.Client, prefix string, show func(key string, value []byte) Shown) *Store {
	return &Store{api: api, prefix: prefix, show: show}
}

// lease is what is needed of one.
type lease struct {
	Metadata struct {
		Name            string            `json:"name"`
		ResourceVersion string            `json:"resourceVersion"`
		Annotations     map[string]string `json:"annotations"`
		Created         time.Time         `json:"creationTimestamp"`
	} `json:"metadata"`
}

func (l *lease) record(key string) store.Record {
	r := store.Record{Key: key, Version: l.Metadata.ResourceVersion, Generation: store.GenerationAt(l.Metadata.Created)}
	if v, there := l.Metadata.Annotations[Annotation]; there {
		r.Value = []byte(v)
	}
	return r
}

func (s *Store) path() string {
	return "/apis/coordination.k8s.io/v1/namespaces/" + url.PathEscape(s.api.Namespace) + "/leases"
}

func (s *Store) name(key string) string { return s.prefix + key }

// Get reads from a quorum, as no resourceVersion is named.
func (s *Store) Get(ctx context.Context, key string) (store.Record, error) {
	var l lease
	if err := s.do(ctx, http.MethodGet, key, nil, &l); err != nil {
		return store.Record{}, err
	}
	return l.record(key), nil
}

// Put patches the Lease; the resourceVersion in the patch makes it one that fails if there is another.
func (s *Store) Put(ctx context.Context, key string, value []byte, version string) (string, error) {
	patch := map[string]any{"metadata": map[string]any{
		"resourceVersion": version, "annotations": map[string]string{Annotation: string(value)},
	}}
	if s.show != nil {
		patch["spec"] = s.show(key, value)
	}
	body, err := json.Marshal(patch)
	if err != nil { // plain data
		return "", err
	}
	var l lease
	if err := s.do(ctx, http.MethodPatch, key, body, &l); err != nil {
		return "", err
	}
	return l.Metadata.ResourceVersion, nil
}

func (s *Store) do(ctx context.Context, method, key string, body []byte, into *lease) error {
	var reader io.Reader
	contentType := ""
	if body != nil {
		reader, contentType = bytes.NewReader(body), "application/merge-patch+json"
	}
	response, err := s.api.Do(ctx, method, s.path()+"/"+url.PathEscape(s.name(key)), contentType, reader)
	if err != nil {
		return fmt.Errorf("%s the Lease %s: %w", method, s.name(key), err)
	}
	defer response.Body.Close()
	if err := s.refused(method, key, response); err != nil {
		return err
	}
	if err := json.NewDecoder(response.Body).Decode(into); err != nil {
		return fmt.Errorf("%s the Lease %s: %w", method, s.name(key), err)
	}
	return nil
}

// refused explains an answer that is none.
func (s *Store) refused(method, key string, r *http.Response) error {
	var status struct {
		Message string `json:"message"`
	}
	switch {
	case r.StatusCode/100 == 2:
		return nil
	case r.StatusCode == http.StatusConflict:
		return store.ErrConflict
	}
	_ = json.NewDecoder(io.LimitReader(r.Body, 4096)).Decode(&status) // only to say more
	hint := ""
	switch r.StatusCode {
	case http.StatusNotFound:
		hint = " (it is made by the provider: apply the instance again)"
	case http.StatusForbidden, http.StatusUnauthorized:
		hint = " (the Role of the group names the Leases that its electors may use: apply the instance again)"
	}
	return fmt.Errorf("%s the Lease %s/%s: %s: %s%s", method, s.api.Namespace, s.name(key), r.Status, status.Message, hint)
}

// pauses after watches that have failed.
const (
	firstPause = 100 * time.Millisecond
	mostPause  = 5 * time.Second
)

// Watch each Lease by itself, by its name, so that nothing else need be granted.
func (s *Store) Watch(ctx context.Context, keys []string, tell func(store.Record)) {
	var all sync.WaitGroup
	var mu sync.Mutex
	one := func(r store.Record) {
		mu.Lock()
		defer mu.Unlock()
		tell(r)
	}
	for _, key := range keys {
		all.Go(func() {
			pause := firstPause
			for ctx.Err() == nil {
				began := time.Now()
				if err := s.follow(ctx, key, one); err == nil || time.Since(began) > mostPause {
					pause = firstPause
					continue
				}
				select {
				case <-ctx.Done():
				case <-time.After(pause):
				}
				pause = min(2*pause, mostPause)
			}
		})
	}
	all.Wait()
}

var errEnded = errors.New("the watch has ended")

// follow one Lease until the API server ends that.
func (s *Store) follow(ctx context.Context, key string, tell func(store.Record)) error {
	r, err := s.Get(ctx, key)
	if err != nil {
		return err
	}
	tell(r)
	query := url.Values{
		"watch": {"true"}, "allowWatchBookmarks": {"true"}, "fieldSelector": {"metadata.name=" + s.name(key)}, "resourceVersion": {r.Version},
	}
	response, err := s.api.Do(ctx, http.MethodGet, s.path()+"?"+query.Encode(), "", nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if err := s.refused(http.MethodGet, key, response); err != nil {
		return err
	}
	events := json.NewDecoder(response.Body)
	for {
		var event struct {
			Type   string `json:"type"`
			Object lease  `json:"object"`
		}
		if err := events.Decode(&event); err != nil {
			if errors.Is(err, io.EOF) {
				return nil // the time of a watch is over
			}
			return err
		}
		switch event.Type {
		case "ADDED", "MODIFIED":
			tell(event.Object.record(key))
		case "ERROR", "DELETED":
			return errEnded
		}
	}
}
