package config

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/hashicorp/go-multierror"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// valid has an election, a set, and a service of each.
func valid() *Config {
	return &Config{
		Elections: []string{"one"}, Sets: map[string]int{"shards": 4}, Backend: Backend{Nomad: &Nomad{Path: "nomad/jobs/web"}},
		Address: "${PATTERN_PEER}",
		Relay: Relay{Services: map[string]Service{
			"web":   {Election: "one", Listen: ":4050", Target: "127.0.0.1:8080"},
			"shard": {Election: "shards/3", Listen: ":4052", Target: "127.0.0.1:8081"},
		}},
	}
}

func TestDefaultsAreValidAndStay(t *testing.T) {
	c := valid()
	c.SetDefaults()
	require.NoError(t, c.Validate())
	assert.Equal(t, "127.0.0.1:4040", c.Listen)
	assert.Equal(t, Lease{Duration: Duration(5500 * time.Millisecond), RenewDeadline: Duration(4125 * time.Millisecond), RetryPeriod: Duration(1375 * time.Millisecond)}, c.Lease)
	assert.Equal(t, CampaignAuto, c.Campaign)
	assert.Equal(t, ":4051", c.Relay.Peer)
	assert.Equal(t, 1024, c.Relay.Waiting)

	raw, err := json.Marshal(c)
	require.NoError(t, err)
	var read Config
	require.NoError(t, json.Unmarshal(raw, &read))
	read.SetDefaults()
	assert.Equal(t, c, &read, "a file says the same again")
}

func TestWithoutServicesThereIsNoRelay(t *testing.T) {
	c := valid()
	c.Relay, c.Address = Relay{}, ""
	c.SetDefaults()
	require.NoError(t, c.Validate())
	assert.Equal(t, Relay{}, c.Relay)
}

func TestEveryFaultIsToldWithItsPath(t *testing.T) {
	service := func(edit func(*Service)) func(*Config) {
		return func(c *Config) {
			s := c.Relay.Services["web"]
			edit(&s)
			c.Relay.Services["web"] = s
		}
	}
	for _, v := range []struct {
		name   string
		change func(*Config)
		want   []string
	}{
		{"no election", func(c *Config) { c.Elections, c.Sets, c.Relay, c.Address = nil, nil, Relay{}, "" }, []string{"elections: must name at least one"}},
		{"an API for everybody", func(c *Config) { c.Listen = ":4040" }, []string{"listen: must be an address of the loopback"}},
		{"an API nowhere", func(c *Config) { c.Listen = "4040" }, []string{"listen: must be HOST:PORT"}},
		{"a name that is none", func(c *Config) { c.Elections = []string{"one", "Two", "one"} }, []string{"elections[1]: must be lower-case", `elections[2]: "one" is there twice`}},
		{"sets of nothing and of too much", func(c *Config) { c.Sets = map[string]int{"none": 0, "shards": 5000, "A": 1} }, []string{
			`sets["none"].shards: must be at least 1`, `sets["A"]: must be lower-case`, "sets: must have at most 4096 shards together, got 5001",
		}},
		{"no slots", func(c *Config) { c.Slots = -1 }, []string{"slots: must be 1 to 256"}},
		{"a lease without a margin", func(c *Config) { c.Lease.RenewDeadline = Duration(6 * time.Second) }, []string{"lease.renew_deadline: must be at most nine tenths"}},
		{"a lease without a second try", func(c *Config) { c.Lease.RetryPeriod = Duration(4 * time.Second) }, []string{"lease.renew_deadline: must be at least twice"}},
		{"a lease of nothing", func(c *Config) { c.Lease.Duration = Duration(time.Millisecond) }, []string{"lease.retry_period: must be at least 50ms"}},
		{"another campaign", func(c *Config) { c.Campaign = "loud" }, []string{`campaign: must be "auto" or "app"`}},
		{"no backend", func(c *Config) { c.Backend = Backend{} }, []string{"backend: exactly one of"}},
		{"two backends", func(c *Config) { c.Backend.Kubernetes = &Kubernetes{} }, []string{"backend: exactly one of"}},
		{"callbacks to nowhere", func(c *Config) {
			c.Callbacks = Callbacks{OnElected: "elected", OnDemoted: "https://app/demoted", Timeout: Duration(time.Minute)}
		}, []string{"callbacks.on_elected: must be http://", "callbacks.on_demoted: must be http://", "callbacks.timeout: must be"}},
		{"an application that cannot be asked", func(c *Config) { c.Application = &Application{Failures: -1} }, []string{"application: exactly one of url, tcp", "application: period, timeout"}},
		{"a relay of nothing", func(c *Config) { c.Relay = Relay{Peer: ":1"} }, []string{"relay.services: must have at least one"}},
		{"a relay that nobody can reach", func(c *Config) { c.Address = "" }, []string{"address: must be the HOST:PORT that other electors reach relay.peer (:4051) at"}},
		{"a relay without a port", func(c *Config) { c.Address = "host" }, []string{"address: must be HOST:PORT"}},
		{"a relay without patience", func(c *Config) { c.Relay.Patience, c.Relay.Waiting, c.Relay.Drain = -1, -1, -1 }, []string{"relay.patience: must be", "relay.drain: must be", "relay.waiting: must be 1 to"}},
		{"a relay on the port of the API", func(c *Config) { c.Relay.Peer = ":4040" }, []string{"relay.peer: port 4040 is that of listen"}},
		{"a service on the port of another", service(func(s *Service) { s.Listen = ":4052" }), []string{`relay.services["web"].listen: port 4052 is that of relay.services["shard"].listen`}},
		{"a service of no election", service(func(s *Service) { s.Election = "two" }), []string{`relay.services["web"].election: there is no election "two"`}},
		{"a service of no shard", service(func(s *Service) { s.Election = "shards/4" }), []string{`relay.services["web"].election: there is no election "shards/4"`}},
		{"a service from nowhere to nowhere", service(func(s *Service) { s.Listen, s.Target = "4050", "8080" }), []string{`relay.services["web"].listen: must be`, `relay.services["web"].target: must be`}},
		{"a service of no name", func(c *Config) { c.Relay.Services["W"] = c.Relay.Services["web"]; delete(c.Relay.Services, "web") }, []string{`relay.services["W"]: must be lower-case`}},
		{"what all images have", func(c *Config) { c.Log.Level = "loud" }, []string{"log.level: "}},
	} {
		t.Run(v.name, func(t *testing.T) {
			c := valid()
			v.change(c)
			c.SetDefaults()
			err := c.Validate()
			require.Error(t, err)
			for _, want := range v.want {
				assert.ErrorContains(t, err, want)
			}
			var all *multierror.Error
			require.ErrorAs(t, err, &all)
			assert.GreaterOrEqual(t, len(all.Errors), len(v.want))
		})
	}
}

func TestSlotsAreTwiceTheElectorsOfRaft(t *testing.T) {
	c := with(Backend{Raft: &Raft{Size: 9}})
	assert.Equal(t, 18, c.Slots)
	c.Slots = 17
	assert.ErrorContains(t, c.Validate(), "slots: must be at least twice backend.raft.size (9)")
}
