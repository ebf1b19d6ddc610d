package wire_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/api"
	"github.com/container-patterns/terraform-provider-pattern/images/elector/config"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/imagetest"
)

const (
	within = 20 * time.Second
	tick   = 2 * time.Millisecond
)

var (
	built = imagetest.Compile("..")
	lease = config.Lease{Duration: config.Duration(2 * time.Second)}
)

func TestMain(m *testing.M) { built.Main(m) }

// variables are those of a Nomad, as far as an elector needs them.
type variables struct {
	mu      sync.Mutex
	all     map[string]variable
	index   uint64
	changed chan struct{}
}

type variable struct {
	Path        string
	ModifyIndex uint64
	Items       map[string]string
}

func nomad(t *testing.T) string {
	t.Helper()
	v := &variables{all: map[string]variable{}, index: 1, changed: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/vars", v.list)
	mux.HandleFunc("GET /v1/var/{path...}", v.get)
	mux.HandleFunc("PUT /v1/var/{path...}", v.put)
	s := httptest.NewServer(mux)
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s.URL
}

func (v *variables) list(w http.ResponseWriter, r *http.Request) {
	since, _ := strconv.ParseUint(r.URL.Query().Get("index"), 10, 64)
	v.mu.Lock()
	defer v.mu.Unlock()
	for v.index <= since {
		changed := v.changed
		v.mu.Unlock()
		select {
		case <-changed:
		case <-r.Context().Done():
		}
		v.mu.Lock()
		if r.Context().Err() != nil {
			return
		}
	}
	out := []variable{}
	for path, is := range v.all {
		if strings.HasPrefix(path, r.URL.Query().Get("prefix")) {
			out = append(out, is)
		}
	}
	w.Header().Set("X-Nomad-Index", strconv.FormatUint(v.index, 10))
	_ = json.NewEncoder(w).Encode(out)
}

func (v *variables) get(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	is, there := v.all[r.PathValue("path")]
	if !there {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	_ = json.NewEncoder(w).Encode(is)
}

func (v *variables) put(w http.ResponseWriter, r *http.Request) {
	var is variable
	_ = json.NewDecoder(r.Body).Decode(&is)
	v.mu.Lock()
	defer v.mu.Unlock()
	if strconv.FormatUint(v.all[is.Path].ModifyIndex, 10) != r.URL.Query().Get("cas") {
		w.WriteHeader(http.StatusConflict)
		return
	}
	v.index++
	is.ModifyIndex = v.index
	v.all[is.Path] = is
	close(v.changed)
	v.changed = make(chan struct{})
	_ = json.NewEncoder(w).Encode(is)
}

// member is an application with its elector, which is a process.
type member struct {
	*imagetest.Process
	t                   *testing.T
	name, base, service string
	file                string // of its configuration

	mu    sync.Mutex
	told  []string
	takes time.Duration // to answer on_demoted
}

func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

func start(t *testing.T, nomad, name string) *member {
	t.Helper()
	m := &member{t: t, name: name, service: free(t)}
	app, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { app.Close() })
	go func() {
		for {
			c, err := app.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				fmt.Fprint(c, name)
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	hears := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var e api.Election
		assert.NoError(t, json.NewDecoder(r.Body).Decode(&e))
		m.mu.Lock()
		m.told = append(m.told, fmt.Sprint(r.URL.Path[1:], " ", e.Term))
		takes := m.takes
		m.mu.Unlock()
		if r.URL.Path == "/demoted" {
			<-time.After(takes)
		}
	}))
	t.Cleanup(hears.Close)
	listen, peer := free(t), free(t)
	m.base = "http://" + listen
	c := config.Config{
		Listen: listen, Member: name, Address: peer, Elections: []string{"one"}, Slots: 4, Lease: lease,
		Backend:   config.Backend{Nomad: &config.Nomad{Path: "test"}},
		Callbacks: config.Callbacks{OnElected: hears.URL + "/elected", OnDemoted: hears.URL + "/demoted"},
		Relay:     config.Relay{Peer: peer, Drain: config.Duration(500 * time.Millisecond), Services: map[string]config.Service{"web": {Election: "one", Listen: m.service, Target: app.Addr().String()}}},
	}
	c.Management.Address = "127.0.0.1:0"
	cmd := elector(t, c, nomad)
	m.file = cmd.Args[2]
	m.Process = imagetest.Start(t, cmd)
	return m
}

func elector(t *testing.T, c config.Config, nomad string) *exec.Cmd {
	t.Helper()
	raw, err := json.Marshal(c)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "config.json")
	require.NoError(t, os.WriteFile(file, raw, 0o600))
	cmd := exec.Command(filepath.Join(built.Folder(t), "elector"), "-config", file)
	cmd.Env = append(os.Environ(), "NOMAD_ADDR="+nomad, "NOMAD_TOKEN=test", "NOMAD_SECRETS_DIR=")
	return cmd
}

func (m *member) says() (e api.Election) {
	_, body := imagetest.Get(m.base + "/v1/elections/one")
	_ = json.Unmarshal([]byte(body), &e)
	return e
}

func (m *member) heard() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string(nil), m.told...)
}

// reaches says whose application a new connection leads to, in the end.
func (m *member) reaches() (string, net.Conn) {
	m.t.Helper()
	var c net.Conn
	require.Eventually(m.t, func() (ok bool) { // it listens when it takes part
		var err error
		c, err = net.Dial("tcp", m.service)
		return err == nil
	}, within, tick)
	m.t.Cleanup(func() { c.Close() })
	require.NoError(m.t, c.SetDeadline(time.Now().Add(within)))
	var name [1]byte
	_, err := io.ReadFull(c, name[:])
	require.NoError(m.t, err)
	return string(name[:]), c
}

func isReset(c net.Conn) bool {
	_, err := io.Copy(io.Discard, c)
	return errors.Is(err, syscall.ECONNRESET)
}

// others of all, the first of which leads; once they know.
func leads(t *testing.T, all ...*member) (leader *member, others []*member) {
	t.Helper()
	require.Eventually(t, func() bool {
		leader, others = nil, nil
		for _, m := range all {
			if e := m.says(); e.Self {
				leader = m
			} else {
				others = append(others, m)
			}
		}
		if leader == nil {
			return false
		}
		for _, m := range others {
			if m.says().Leader != leader.name {
				return false
			}
		}
		return true
	}, within, tick)
	return leader, others
}

func TestProcesses(t *testing.T) {
	at := nomad(t)
	all := []*member{start(t, at, "a"), start(t, at, "b"), start(t, at, "c")}
	leader, others := leads(t, all...)
	for _, m := range all {
		name, _ := m.reaches()
		assert.Equal(t, leader.name, name)
	}
	require.Eventually(t, func() bool { return len(leader.heard()) == 1 }, within, tick)

	t.Run("who resigns lets the application finish", func(t *testing.T) {
		leader.mu.Lock()
		leader.takes = 300 * time.Millisecond
		leader.mu.Unlock()
		_, c := others[0].reaches()
		begun := time.Now()
		resigned := make(chan bool, 1)
		go func() {
			resigned <- assert.Eventually(t, func() bool { // the heir may have no session yet
				response, err := http.Post(leader.base+"/v1/elections/one/resign?to="+others[1].name, "", nil)
				if err == nil {
					response.Body.Close()
				}
				return err == nil && response.StatusCode == http.StatusOK
			}, within, tick)
		}()
		require.Eventually(t, func() bool { return len(leader.heard()) == 2 }, within, tick)
		assert.False(t, leader.says().Self)
		fmt.Fprint(c, "x")
		_, err := io.ReadFull(c, make([]byte, 1))
		require.NoError(t, err, "while it is told")
		assert.True(t, isReset(c))
		assert.GreaterOrEqual(t, time.Since(begun), 300*time.Millisecond)
		require.True(t, <-resigned)
		name, _ := others[0].reaches()
		t.Log("followed within ", time.Since(begun))
		assert.Equal(t, others[1].name, name)
		assert.Equal(t, []string{"elected 1", "demoted 1"}, leader.heard())
		leader, others = leads(t, all...)
	})

	t.Run("who is stopped gets no more connections", func(t *testing.T) {
		_, direct := leader.reaches()
		_, forwarded := others[0].reaches()
		leader.Signal(syscall.SIGSTOP)
		begun := time.Now()
		name := ""
		for name == "" || name == leader.name { // the kernel takes connections for it
			name, _ = others[0].reaches()
		}
		t.Log("followed within ", time.Since(begun))
		assert.True(t, isReset(forwarded), "by the one that knows better")
		leader.Signal(syscall.SIGCONT)
		assert.True(t, isReset(direct))
		stopped := leader
		require.Eventually(t, func() bool { h := stopped.heard(); return h[len(h)-1] == "demoted 2" }, within, tick, "it is told afterwards")
		leader, others = leads(t, all...)
		name, _ = stopped.reaches()
		assert.Equal(t, leader.name, name)
	})

	t.Run("who is killed is followed", func(t *testing.T) {
		_, c := leader.reaches()
		leader.Signal(syscall.SIGKILL)
		<-leader.Ended()
		_, err := io.Copy(io.Discard, c)
		require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "the connection ends, although without a reset")
		_, err = http.Get(leader.base + "/v1/elections/one") //nolint:bodyclose // there is none
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		all = others
		name, _ := all[0].reaches()
		leader, others = leads(t, all...)
		assert.Equal(t, leader.name, name)
	})

	t.Run("who ends hands over first", func(t *testing.T) {
		_, own := leader.reaches()
		begun := time.Now()
		leader.Signal(syscall.SIGTERM)
		assert.True(t, isReset(own))
		assert.Zero(t, leader.Exit())
		name, _ := others[0].reaches()
		assert.Equal(t, others[0].name, name)
		assert.Less(t, time.Since(begun), lease.Duration.Std(), "nobody had to wait for the lease")
		h := leader.heard()
		assert.True(t, strings.HasPrefix(h[len(h)-1], "demoted "), h)
	})

	t.Run("who ends lets forwarded connections end", func(t *testing.T) {
		leader := others[0]
		other := start(t, at, "d")
		require.Eventually(t, func() bool { return other.says().Leader == leader.name }, within, tick)
		_, c := other.reaches()
		begun := time.Now()
		other.Signal(syscall.SIGTERM)
		require.Eventually(t, func() bool {
			taken, err := net.Dial("tcp", other.service)
			if err == nil {
				taken.Close()
			}
			return err != nil
		}, within, tick, "it takes no more")
		fmt.Fprint(c, "x")
		_, err := io.ReadFull(c, make([]byte, 1))
		require.NoError(t, err)
		assert.True(t, isReset(c))
		assert.GreaterOrEqual(t, time.Since(begun), 500*time.Millisecond)
		assert.Zero(t, other.Exit())
	})
}

func TestFaultsOfTheRelayAreTold(t *testing.T) {
	c := config.Config{
		Elections: []string{"one"}, Backend: config.Backend{Nomad: &config.Nomad{Path: "test"}},
		Relay: config.Relay{Services: map[string]config.Service{"web": {Election: "two", Listen: "80", Target: "app"}}},
	}
	out, err := elector(t, c, "").CombinedOutput()
	require.Error(t, err)
	for _, want := range []string{"address: must be the HOST:PORT", `relay.services["web"].election: there is no election "two"`, `relay.services["web"].listen: `, `relay.services["web"].target: `} {
		assert.Contains(t, string(out), want)
	}
}
