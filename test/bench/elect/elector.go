package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/api"
	"github.com/container-patterns/terraform-provider-pattern/images/elector/config"
)

// election that is watched.
const election = "one"

// An elector of an electorate, at addresses that it keeps.
type elector struct {
	binary, path string
	config       config.Config
	env          []string
}

// newElectors of an electorate with what all of their configurations have, and the proxy that counts their calls, if they are.
func (b *bench) newElectors(at backend, name string, c config.Config, n int, counted bool) (all []*elector, p *proxy, err error) {
	if at == (raft{}) {
		c.Backend.Raft = &config.Raft{Size: n} // which says how many slots there are
	}
	c.SetDefaults()
	name = strings.ToLower(name)
	sites, p, err := at.sites(b.dir, name, n, c.Records(), counted)
	if err != nil {
		return nil, nil, err
	}
	for i, s := range sites {
		e := &elector{binary: b.elector, path: filepath.Join(b.dir, fmt.Sprintf("%s-%d", name, i)), config: c, env: s.env}
		e.config.Backend = s.backend
		for _, address := range []*string{&e.config.Listen, &e.config.Management.Address} {
			if *address, err = freeAddress(); err != nil {
				return nil, nil, err
			}
		}
		all = append(all, e)
	}
	return all, p, nil
}

func (e *elector) start(life int) (*process, error) {
	e.config.Member = fmt.Sprintf("%s-%d", filepath.Base(e.path), life)
	raw, err := json.Marshal(e.config)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(e.path+".json", raw, 0o600); err != nil {
		return nil, err
	}
	return start(e.path+".log", false, e.env, e.binary, "-config", e.path+".json")
}

// url of its API.
func (e *elector) url(path string) string { return "http://" + e.config.Listen + path }

// get what it answers with.
func get(url string, into any) bool {
	response, err := http.Get(url) //nolint:gosec // the bench's own
	if err != nil {
		return false
	}
	defer response.Body.Close()
	return response.StatusCode == http.StatusOK && (into == nil || json.NewDecoder(response.Body).Decode(into) == nil)
}

func (e *elector) ready() bool {
	return get("http://"+e.config.Management.Address+"/health/ready", nil)
}

func (e *elector) settled(leader contender) bool {
	var is api.Election
	return e.ready() && get(e.url("/v1/elections/"+election), &is) && is.Leader == leader.(*elector).config.Member
}

func (e *elector) follow(p *process, tell func(leads bool)) {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for ; !p.over(); <-tick.C {
		e.events(tell)
	}
}

// events until there are no more.
func (e *elector) events(tell func(leads bool)) {
	request, err := http.NewRequest(http.MethodGet, e.url("/v1/elections/"+election+"/watch"), nil)
	if err != nil {
		return // it is an address
	}
	request.Header.Set("Accept", "text/event-stream")
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return // it is not there yet, or no more
	}
	defer response.Body.Close()
	leads := false
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		var is api.Election
		data, told := strings.CutPrefix(lines.Text(), "data: ")
		if told && json.Unmarshal([]byte(data), &is) == nil && is.Self != leads {
			leads = is.Self
			tell(leads)
		}
	}
	if leads {
		tell(false)
	}
}

// resign in favour of another, or of whoever takes it.
func (e *elector) resign(to string) error {
	url := e.url("/v1/elections/" + election + "/resign")
	if to != "" {
		url += "?to=" + to
	}
	response, err := http.Post(url, "", nil) //nolint:gosec // the bench's own
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("resign: %s", response.Status)
	}
	return nil
}
