// Package nomad is a store of records in variables of Nomad, by plain HTTP with the task's own identity.
//
// It does not use the locks of variables: those need a time to live of 10 s at least, and electors agree by compare-and-set.
package nomad

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/store"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/intask"
)

// item of a variable that holds a record.
const item = "record"

// A Store of one instance.
type Store struct {
	api    *intask.Client
	prefix string
}

var _ store.Store = (*Store)(nil)

// New keeps the record KEY in the variable PREFIXKEY of the task's namespace.
func New(api *intask.Client, prefix string) *Store { return &Store{api: api, prefix: prefix} }

type variable struct {
	Path        string
	CreateTime  int64 `json:",omitempty"` // Unix time in nanoseconds
	ModifyIndex uint64
	Items       map[string]string `json:",omitempty"`
}

func (v *variable) record(key string) store.Record {
	r := store.Record{Key: key, Version: strconv.FormatUint(v.ModifyIndex, 10), Generation: store.GenerationAt(time.Unix(0, v.CreateTime))}
	if text := v.Items[item]; text != "" {
		r.Value = []byte(text)
	}
	return r
}

func (s *Store) path(key string) string { return s.prefix + key }

// Get reads what the leader of the servers has made sure to be the newest. A variable that is not there is made, without a record in
// it: when it was made is its generation.
func (s *Store) Get(ctx context.Context, key string) (store.Record, error) {
	for {
		var v variable
		err := s.do(ctx, http.MethodGet, key, url.Values{"consistent": {""}}, nil, &v)
		if err != nil || v.ModifyIndex > 0 {
			return v.record(key), err
		}
		if _, err := s.Put(ctx, key, nil, "0"); err != nil && !errors.Is(err, store.ErrConflict) {
			return store.Record{}, err
		}
	}
}

// Put by compare-and-set.
func (s *Store) Put(ctx context.Context, key string, value []byte, version string) (string, error) {
	body, err := json.Marshal(variable{Path: s.path(key), Items: map[string]string{item: string(value)}})
	if err != nil { // plain data
		return "", err
	}
	var v variable
	if err := s.do(ctx, http.MethodPut, key, url.Values{"cas": {version}}, body, &v); err != nil {
		return "", err
	}
	return strconv.FormatUint(v.ModifyIndex, 10), nil
}

func (s *Store) do(ctx context.Context, method, key string, query url.Values, body []byte, into *variable) error {
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body)
	}
	response, err := s.api.Do(ctx, method, "/v1/var/"+s.path(key), query, reader)
	if err != nil {
		return fmt.Errorf("%s the variable %s: %w", method, s.path(key), err)
	}
	defer response.Body.Close()
	switch {
	case response.StatusCode == http.StatusNotFound && method == http.MethodGet:
		return nil
	case response.StatusCode == http.StatusConflict:
		return store.ErrConflict
	case response.StatusCode/100 != 2:
		said, _ := io.ReadAll(io.LimitReader(response.Body, 1024)) // only to say more
		return fmt.Errorf("%s the variable %s: %s: %s", method, s.path(key), response.Status, strings.TrimSpace(string(said)))
	}
	if err := json.NewDecoder(response.Body).Decode(into); err != nil {
		return fmt.Errorf("%s the variable %s: %w", method, s.path(key), err)
	}
	return nil
}

const (
	// wait of a blocking query.
	wait       = 30 * time.Second
	firstPause = 100 * time.Millisecond
	mostPause  = 5 * time.Second
)

// Watch all by one blocking query of what there is below the prefix, and read what has changed.
func (s *Store) Watch(ctx context.Context, keys []string, tell func(store.Record)) {
	told := map[string]uint64{}
	index, pause := uint64(0), firstPause
	for ctx.Err() == nil {
		next, err := s.news(ctx, keys, index, told, tell)
		if err == nil {
			index, pause = next, firstPause
			continue
		}
		index = 0 // whatever there is now
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, mostPause)
	}
}

// news since an index.
func (s *Store) news(ctx context.Context, keys []string, index uint64, told map[string]uint64, tell func(store.Record)) (next uint64, err error) {
	query := url.Values{"prefix": {s.prefix}, "per_page": {"1000"}}
	if index > 0 {
		query.Set("index", strconv.FormatUint(index, 10))
		query.Set("wait", wait.String())
	}
	ctx, cancel := context.WithTimeout(ctx, 2*wait)
	defer cancel()
	response, err := s.api.Do(ctx, http.MethodGet, "/v1/vars", query, nil)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("list the variables below %s: %s", s.prefix, response.Status)
	}
	next, err = strconv.ParseUint(response.Header.Get("X-Nomad-Index"), 10, 64)
	if err != nil {
		return 0, err
	}
	var all []variable
	if err := json.NewDecoder(response.Body).Decode(&all); err != nil {
		return 0, err
	}
	there := map[string]uint64{}
	for _, v := range all {
		there[v.Path] = v.ModifyIndex
	}
	for _, key := range keys {
		was, once := told[key]
		if once && there[s.path(key)] <= was {
			continue
		}
		r, err := s.Get(ctx, key)
		if err != nil {
			return 0, err
		}
		is, _ := strconv.ParseUint(r.Version, 10, 64) // "" is 0
		if once && is <= was {
			continue
		}
		told[key] = is
		tell(r)
	}
	return next, nil
}
