package main

import (
	"bufio"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

// terms of client-go.
type terms struct{ duration, renew, retry time.Duration }

func (t terms) String() string {
	return fmt.Sprintf("client-go %s / %s / %s", t.duration, t.renew, t.retry)
}

func (t terms) args() []string {
	return []string{"-duration", t.duration.String(), "-renew", t.renew.String(), "-retry", t.retry.String()}
}

// What client-go is used with: by Kubernetes' own programs, and by its example.
var (
	usual   = terms{15 * time.Second, 10 * time.Second, 2 * time.Second}
	example = terms{60 * time.Second, 15 * time.Second, 5 * time.Second}
)

// A peer is a program with client-go.
type peer struct {
	binary, path string
	args         []string
	knows        atomic.Bool
}

func (b *bench) newPeer(server, account, lease string, n, number int, t terms) *peer {
	p := &peer{binary: b.peer, path: filepath.Join(b.dir, fmt.Sprintf("%s-%d", lease, number))}
	p.args = append([]string{"-server", server, "-account", account, "-lease", lease, "-n", fmt.Sprint(n)}, t.args()...)
	return p
}

func (p *peer) start(life int) (*process, error) {
	p.knows.Store(false)
	return start(p.path+".log", true, nil, p.binary, append(p.args, "-id", fmt.Sprintf("%s-%d", filepath.Base(p.path), life))...)
}

func (p *peer) follow(is *process, tell func(leads bool)) {
	leads := false
	for lines := bufio.NewScanner(is.said); lines.Scan(); {
		switch verb, _, _ := strings.Cut(lines.Text(), " "); verb {
		case "knows":
			p.knows.Store(true)
		case "leads":
			leads = true
			tell(true)
		case "stopped":
			if leads {
				tell(false)
			}
			leads = false
		}
	}
	if leads {
		tell(false)
	}
}

func (p *peer) settled(contender) bool { return p.knows.Load() }
