package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/config"
)

// A backend is what electors agree by.
type backend interface {
	String() string
	// sites are where the electors of an electorate live, which has these records. Counted: their calls pass a proxy.
	sites(dir, electorate string, electors int, records []string, counted bool) ([]site, *proxy, error)
}

// A site is where an elector lives.
type site struct {
	backend config.Backend
	env     []string
}

func same(s site, electors int) (all []site) {
	for range electors {
		all = append(all, s)
	}
	return all
}

// raft is among the electors themselves. Their calls are those that they count.
type raft struct{}

func (raft) String() string { return "raft" }

func (raft) sites(dir, electorate string, electors int, _ []string, _ bool) (all []site, _ *proxy, err error) {
	peers := filepath.Join(dir, electorate+"-peers")
	var lines strings.Builder
	for slot := range electors {
		address, err := freeAddress()
		if err != nil {
			return nil, nil, err
		}
		fmt.Fprintln(&lines, address)
		all = append(all, site{backend: config.Backend{Raft: &config.Raft{
			Listen: address, Advertise: address, Slot: fmt.Sprint(slot), Size: electors, Peers: peers, DataDir: filepath.Join(dir, fmt.Sprintf("%s-slot-%d", electorate, slot)),
		}}})
	}
	return all, nil, os.WriteFile(peers, []byte(lines.String()), 0o600)
}

// nomad keeps variables below a path of this run's.
type nomad struct {
	admin *api.Client
	path  string
}

func newNomad() (*nomad, error) {
	admin, err := api.NewClient(api.DefaultConfig())
	return &nomad{admin, fmt.Sprintf("nomad/jobs/bench-%d", time.Now().UnixNano())}, err
}

func (n *nomad) String() string { return "nomad" }

func (n *nomad) sites(_, electorate string, electors int, _ []string, counted bool) ([]site, *proxy, error) {
	s := site{backend: config.Backend{Nomad: &config.Nomad{Path: n.path + "/" + electorate}}}
	if !counted {
		return same(s, electors), nil, nil
	}
	p, err := countNomad(n.admin.Address())
	if err != nil {
		return nil, nil, err
	}
	s.env = []string{"NOMAD_ADDR=" + p.url}
	return same(s, electors), p, nil
}

// remove what this run has made.
func (n *nomad) remove() {
	list, _, err := n.admin.Variables().PrefixList(n.path, nil)
	for _, v := range list {
		if _, failed := n.admin.Variables().Delete(v.Path, nil); failed != nil {
			err = failed
		}
	}
	if err != nil {
		say("the variables below %s were not removed: %v", n.path, err)
	}
}
