package main_test

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	elector "github.com/container-patterns/terraform-provider-pattern/images/elector/api"
	"github.com/container-patterns/terraform-provider-pattern/images/elector/config"
	"github.com/container-patterns/terraform-provider-pattern/images/internal/imagetest"
)

const (
	within = 20 * time.Second
	tick   = 2 * time.Millisecond
	slots  = 6
)

var (
	built = imagetest.Compile(".")
	fast  = config.Lease{Duration: config.Duration(2 * time.Second)}
)

func TestMain(m *testing.M) { built.Main(m) }

// process is one elector, beside no application.
type process struct {
	*imagetest.Process
	t      *testing.T
	slot   int
	member string
	// base of its API, and of its management API.
	base, management string
}

// free address on the loopback.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

func run(t *testing.T, backend config.Backend, slot int, member string) *process {
	t.Helper()
	address := free(t)
	c := config.Config{Listen: address, Member: member, Elections: []string{"one"}, Slots: slots, Lease: fast, Backend: backend}
	c.Management.Address = free(t)
	raw, err := json.Marshal(c)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "config.json")
	require.NoError(t, os.WriteFile(file, raw, 0o600))
	p := &process{t: t, slot: slot, member: member, base: "http://" + address, management: "http://" + c.Management.Address}
	p.Process = imagetest.Start(t, exec.Command(filepath.Join(built.Folder(t), "elector"), "-config", file))
	return p
}

// says what the elector answers with; false if it does not.
func (p *process) says() (e elector.Election, ok bool) {
	status, body := imagetest.Get(p.base + "/v1/elections/one")
	return e, status == 200 && json.Unmarshal([]byte(body), &e) == nil
}

// ready tells whether the engine would let it be.
func (p *process) ready() bool {
	status, _ := imagetest.Get(p.management + "/health/ready")
	return status == 200
}

func (p *process) leads() bool {
	e, ok := p.says()
	return ok && e.Self
}

func leader(t *testing.T, all ...*process) (found *process) {
	t.Helper()
	require.Eventually(t, func() bool {
		for _, p := range all {
			if p.leads() {
				found = p
				return true
			}
		}
		return false
	}, within, tick, "one leads")
	return found
}

func others(all []*process, but *process) (out []*process) {
	for _, p := range all {
		if p != but {
			out = append(out, p)
		}
	}
	return out
}

// succession is what must hold on every backend, which is given for each of three electors.
func succession(t *testing.T, backend func(slot int) config.Backend) {
	var all []*process
	for i := range 3 {
		all = append(all, run(t, backend(i), i, fmt.Sprint("member-", i)))
	}
	first := leader(t, all...)
	for _, p := range all {
		require.Eventually(t, func() bool { e, _ := p.says(); return e.Leader == first.member }, within, tick, "all know who leads")
		require.Eventually(t, p.ready, within, tick, "all have sessions")
	}

	t.Run("who resigns hands over", func(t *testing.T) {
		to := others(all, first)[0]
		begun := time.Now()
		out, err := exec.Command("curl", "-sf", "-X", "POST", first.base+"/v1/elections/one/resign?to="+to.member).CombinedOutput()
		require.NoError(t, err, string(out))
		require.Eventually(t, to.leads, within, tick)
		t.Log("handed over within ", time.Since(begun))
		first = to
	})

	t.Run("who is stopped leads no more when it goes on", func(t *testing.T) {
		first.Signal(syscall.SIGSTOP)
		begun := time.Now()
		next := leader(t, others(all, first)...)
		t.Log("followed within ", time.Since(begun))
		assert.Greater(t, time.Since(begun), fast.Duration.Std()/4)
		first.Signal(syscall.SIGCONT)
		for range 100 {
			require.False(t, first.leads())
		}
		require.Eventually(t, func() bool { e, _ := first.says(); return e.Leader == next.member }, within, tick)
		first = next
	})

	killed := 0
	t.Run("who is killed is followed", func(t *testing.T) {
		killed = first.slot
		first.Signal(syscall.SIGKILL)
		begun := time.Now()
		all = others(all, first)
		first = leader(t, all...)
		t.Log("followed within ", time.Since(begun))
	})

	t.Run("who ends hands over first", func(t *testing.T) {
		all = append(all, run(t, backend(killed), killed, "member-3"))
		ends := first
		all = others(all, ends)
		require.Eventually(t, func() bool { e, _ := all[1].says(); return e.Leader == ends.member }, within, tick)
		begun := time.Now()
		ends.Signal(syscall.SIGTERM)
		first = leader(t, all...)
		t.Log("handed over within ", time.Since(begun))
		assert.Less(t, time.Since(begun), fast.Duration.Std(), "nobody had to wait for the lease")
		assert.Equal(t, 0, ends.Exit())
		assert.NotContains(t, ends.Said(), "not ended")
	})
}
