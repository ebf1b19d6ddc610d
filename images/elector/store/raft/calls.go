package raft

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	hraft "github.com/hashicorp/raft"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/store"
)

// Methods of requests.
const (
	methodHello   = "hello"   // who are you?
	methodGet     = "get"     // a record, of the leader of the log
	methodPut     = "put"     // a record, by the leader of the log
	methodJoin    = "join"    // a cluster that has a leader
	methodPromise = "promise" // to be in no cluster but the one that is about to be founded
	methodFound   = "found"   // the cluster that was promised
)

// A request of one elector to another. Each has a connection of its own.
type request struct {
	Method string `json:"method"`
	// Patience that the caller has.
	Patience time.Duration `json:"patience"`
	Cluster  cluster       `json:"cluster,omitzero"`
	Key      string        `json:"key,omitempty"`
	Put      command       `json:"put,omitzero"`
	Servers  []server      `json:"servers,omitempty"`
}

// A response.
type response struct {
	// Error says why nothing was done; Unsure if nobody knows whether it was.
	Error    string       `json:"error,omitempty"`
	Unsure   bool         `json:"unsure,omitempty"`
	Conflict bool         `json:"conflict,omitempty"`
	Record   store.Record `json:"record,omitzero"`
	State    state        `json:"state,omitzero"`
}

func newCommand(key string, value []byte, version string) command {
	return command{Key: key, Value: value, Version: version, Token: rand.Text()}
}

const (
	// retry is how soon it is asked again who leads, if nothing changes before.
	retry = 50 * time.Millisecond
	// mostPatience of a request of another elector.
	mostPatience = 10 * time.Second
)

// unsureError is of a request that may have been done.
type unsureError struct{ error }

func (e unsureError) Unwrap() error { return e.error }

// ask the leader of the log, whoever it is, until it answers or the context ends.
func (s *Store) ask(ctx context.Context, r request) (response, error) {
	unsure := false
	for {
		n, changed := s.now()
		var out response
		err := errors.New("this elector is in no cluster yet")
		if n != nil {
			if ctx.Err() == nil {
				out, err = s.askLeader(ctx, n, r)
			} else {
				err = errors.New("there was no time left")
			}
		}
		switch {
		case err != nil:
			unsure = unsure || errors.As(err, &unsureError{})
		case out.Conflict && unsure: // it may be in conflict with itself: it was written, and changed by another one since
			return out, errors.New("the record has changed, maybe by this request, whose first answer was lost")
		default:
			s.mu.Lock()
			s.good = time.Now()
			s.mu.Unlock()
			return out, nil
		}
		timer := time.NewTimer(retry)
		select {
		case <-ctx.Done():
			timer.Stop()
			return out, fmt.Errorf("%w (%s): %w", err, s.missing(), ctx.Err())
		case <-changed:
		case <-timer.C:
		}
		timer.Stop()
	}
}

func (s *Store) askLeader(ctx context.Context, n *node, r request) (response, error) {
	leader := n.leader()
	r.Cluster = n.Cluster
	var out response
	var err error
	switch leader {
	case "":
		return out, errors.New("nobody leads the log")
	case n.ID:
		out = s.answer(ctx, r)
	default:
		address, _ := s.ServerAddr(hraft.ServerID(leader)) // it never fails
		_, at, _ := strings.Cut(string(address), "@")
		if at == "" {
			at = s.configured(n, leader)
		}
		// Who waits for a leader that is gone asks the next one as soon as there is one.
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		go func() {
			for {
				now, changed := s.now()
				if now != n || n.leader() != leader {
					cancel()
				}
				select {
				case <-ctx.Done():
					return
				case <-changed:
				}
			}
		}()
		if out, err = s.call(ctx, at, r); err != nil {
			return out, fmt.Errorf("the leader of the log, slot %d at %s, does not answer: %w", slotOf(leader), at, err)
		}
	}
	if out.Error != "" {
		err = errors.New(out.Error)
		if out.Unsure {
			err = unsureError{err}
		}
	}
	return out, err
}

// configured is the address of a server in the configuration.
func (s *Store) configured(n *node, id string) string {
	for _, one := range n.servers() {
		if string(one.ID) == id {
			_, at, _ := strings.Cut(string(one.Address), "@")
			return at
		}
	}
	return ""
}

// call another elector.
func (s *Store) call(ctx context.Context, address string, r request) (out response, err error) {
	conn, err := s.link.dial(ctx, address, header{Kind: kindCall})
	if err != nil {
		return out, err
	}
	defer conn.Close()
	r.Patience = mostPatience
	if deadline, limited := ctx.Deadline(); limited {
		r.Patience = time.Until(deadline)
	}
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if err = send(conn, r); err == nil {
		err = receive(conn, &out)
	}
	if err != nil {
		return out, unsureError{errors.Join(err, ctx.Err())}
	}
	return out, nil
}

// accept connections until the listener is closed.
func (s *Store) accept(ctx context.Context, group *sync.WaitGroup) {
	for {
		conn, err := s.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of files, say
			select {
			case <-ctx.Done():
			case <-time.After(retry):
			}
			continue
		}
		group.Go(func() {
			if err := s.serve(ctx, conn); err != nil {
				s.Log.Debug("a connection of another elector was of no use", "from", conn.RemoteAddr().String(), "error", err.Error())
			}
		})
	}
}

// serve a connection: a request of its own, or one of raft's, which is handed on.
func (s *Store) serve(ctx context.Context, conn net.Conn) error {
	kept := false
	defer func() {
		if !kept {
			conn.Close()
		}
	}()
	h, err := s.link.accept(conn)
	if errors.Is(err, errSecret) {
		s.Log.Warn("a connection was refused", "from", conn.RemoteAddr().String(), "error", err.Error())
	}
	if err != nil {
		return err
	}
	if h.Kind == kindRaft {
		n, _ := s.now()
		if n == nil || n.Cluster.ID != h.Cluster || n.ID != h.To {
			return send(conn, welcome{Error: fmt.Sprintf("%s of the cluster %s is not here", h.To, h.Cluster)})
		}
		if err := errors.Join(send(conn, welcome{}), conn.SetDeadline(time.Time{})); err != nil {
			return err
		}
		select {
		case n.streams.accepted <- conn:
			kept = true
		case <-n.streams.closed:
		case <-ctx.Done():
		}
		return nil
	}
	if err := send(conn, welcome{}); err != nil {
		return err
	}
	var r request
	if err := receive(conn, &r); err != nil {
		return err
	}
	patience := min(r.Patience, mostPatience)
	if err := conn.SetDeadline(time.Now().Add(patience + greetingTime)); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return send(conn, s.answer(ctx, r))
}

// answer a request.
func (s *Store) answer(ctx context.Context, r request) (out response) {
	switch r.Method {
	case methodHello:
		out.State = s.state()
	case methodJoin:
		out.Error = text(s.join(r.Cluster))
	case methodPromise:
		if err := s.promise(r.Cluster); err != nil {
			out.Error = err.Error()
		} else {
			out.State = s.state()
		}
	case methodFound:
		out.Error = text(s.begin(r.Cluster, r.Servers))
	case methodGet, methodPut:
		n, _ := s.now()
		if n == nil || n.Cluster != r.Cluster {
			out.Error = "this elector is in another cluster"
			return out
		}
		var err error
		if r.Method == methodGet {
			out.Record, err = n.get(ctx, r.Key)
		} else {
			raw, _ := json.Marshal(r.Put) // plain data
			var done applied
			done, err = n.put(ctx, raw)
			out.Record.Version, out.Conflict = done.version, done.conflict
			out.Unsure = err != nil && !nothing(err)
		}
		out.Error = text(err)
	default:
		out.Error = fmt.Sprintf("there is no method %q: electors of one instance should be of about one version", r.Method)
	}
	return out
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// nothing tells whether an error of raft says that nothing was put into the log.
func nothing(err error) bool {
	return errors.Is(err, hraft.ErrNotLeader) || errors.Is(err, hraft.ErrLeadershipTransferInProgress) || errors.Is(err, hraft.ErrEnqueueTimeout)
}
