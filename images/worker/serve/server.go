// Package serve works on items by posting them to the developer's server, which it starts, and starts again when it ends.
package serve

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/worker/config"
	"github.com/container-patterns/terraform-provider-pattern/images/worker/process"
	"github.com/container-patterns/terraform-provider-pattern/images/worker/run"
	"github.com/container-patterns/terraform-provider-pattern/images/worker/transfer"
)

// The pauses before the server is started again: doubled with each time that it ended soon after.
const (
	minPause   = 100 * time.Millisecond
	maxPause   = 30 * time.Second
	steadyFrom = time.Minute
	readyPoll  = 20 * time.Millisecond
)

// A Server is the developer's.
type Server struct {
	Config *config.Config
	// Path of the program.
	Path   string
	Reaper *process.Reaper
	Queue  transfer.Queue
	Log    *slog.Logger

	address string
	client  *http.Client
	number  atomic.Int64

	mu    sync.Mutex
	child *process.Child
	up    chan struct{} // closed while the server is ready
	state error         // why it is not; nil while it is
}

// Open readies everything but the server itself.
func (s *Server) Open() error {
	s.address = net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Config.HTTP.Port))
	s.up, s.state = make(chan struct{}), fmt.Errorf("the server at %s has not been started", s.address)
	s.client = &http.Client{
		Transport:     &http.Transport{MaxIdleConnsPerHost: s.Config.Concurrency, DisableCompression: true, WriteBufferSize: 16 << 10, ReadBufferSize: 16 << 10},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return run.Clean(s.Config.WorkDir)
}

// Run keeps the server running until ctx ends, and then ends it.
func (s *Server) Run(ctx context.Context) error {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return fmt.Errorf("open what the server reads: %w", err)
	}
	defer null.Close()
	env := run.Environment()
	env = append(env, config.EnvStage+"="+s.Config.Stage)
	for pause := minPause; ctx.Err() == nil; {
		began := time.Now()
		child, err := s.Reaper.Start(s.Path, s.Config.Command, env, [3]int{int(null.Fd()), 1, 2}) //nolint:gosec // a descriptor
		if err != nil {
			return err //nolint:wrapcheck // it names the program
		}
		s.mu.Lock()
		s.child = child
		s.mu.Unlock()
		s.serve(ctx, child)
		s.down(fmt.Errorf("the server at %s has ended (%s)", s.address, describe(child.Status())))
		if ctx.Err() != nil {
			return nil
		}
		if time.Since(began) > steadyFrom {
			pause = minPause
		}
		s.Log.Error("the server has ended and is started again", "status", describe(child.Status()), "again_in", pause.String())
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
		pause = min(2*pause, maxPause)
	}
	return nil
}

// serve waits for the server to be ready and then to end.
func (s *Server) serve(ctx context.Context, child *process.Child) {
	ticker := time.NewTicker(readyPoll)
	defer ticker.Stop()
	ready := false
	for {
		select {
		case <-child.Done():
			return
		case <-ctx.Done():
			run.End(child, s.Config.KillAfter.Std())
			child.Signal(syscall.SIGKILL)
			<-child.Done()
			return
		case <-ticker.C:
		}
		err := s.probe(ctx)
		switch {
		case err != nil:
			s.down(fmt.Errorf("the server at %s is not ready: %w", s.address, err))
			if ready {
				ready = false
				ticker.Reset(readyPoll)
			}
		case !ready:
			ready = true
			ticker.Reset(time.Second) // from now on it is only looked after
			s.mu.Lock()
			s.state = nil
			close(s.up)
			s.mu.Unlock()
			s.Log.Info("the server is ready", "address", s.address)
		}
	}
}

func (s *Server) down(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == nil {
		s.up = make(chan struct{})
	}
	s.state = why
}

// probe asks whether the server takes requests.
func (s *Server) probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if s.Config.HTTP.ReadyPath == "" {
		connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.address)
		if err != nil {
			return err //nolint:wrapcheck // the caller says what it is about
		}
		return connection.Close() //nolint:wrapcheck // as above
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.address+s.Config.HTTP.ReadyPath, nil)
	if err != nil {
		return err //nolint:wrapcheck // as above
	}
	response, err := s.client.Do(request)
	if err != nil {
		return err //nolint:wrapcheck // as above
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10))
	if response.StatusCode < 200 || response.StatusCode > 399 {
		return fmt.Errorf("GET %s: %s", s.Config.HTTP.ReadyPath, response.Status)
	}
	return nil
}

// Ready blocks until the server takes items.
func (s *Server) Ready(ctx context.Context) error {
	s.mu.Lock()
	up := s.up
	s.mu.Unlock()
	select {
	case <-up:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// State says why the server is not ready.
func (s *Server) State() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// Signal forwards a signal to the server.
func (s *Server) Signal(signal syscall.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.child != nil {
		s.child.Signal(signal)
	}
}

func describe(status syscall.WaitStatus) string {
	if status.Signaled() {
		return "killed by signal " + strconv.Itoa(int(status.Signal()))
	}
	return "exit code " + strconv.Itoa(status.ExitStatus())
}
