package config

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-multierror"
)

// What holds where the file says nothing.
const (
	// Port that the API is at on localhost by default: that of the elector of old.
	Port            = 4040
	defaultDuration = 5500 * time.Millisecond
	defaultTimeout  = time.Second
	defaultSlots    = 8
	defaultPeer     = ":4051"
	defaultPatience = 10 * time.Second
	defaultWaiting  = 1024
	defaultDrain    = 5 * time.Second
	// RaftPort is where electors reach each other.
	RaftPort         = 4041
	defaultAdvertise = "${PATTERN_ADDRESS}"
	defaultSlot      = "${PATTERN_INDEX}"
	defaultPeers     = "/etc/pattern-peers/electors"
	defaultDataDir   = "/var/lib/elector"
)

// Bounds of what a file may ask for.
const (
	MaxElections = 32   // each is watched by itself
	MaxShards    = 4096 // of all sets together
	MaxSlots     = 256
	MaxServices  = 32 // each is a port
	MaxWaiting   = 65536
	mostPatience = 5 * time.Minute
	leastRetry   = 50 * time.Millisecond
	leastSize    = 3
	mostSize     = 9
)

// Name of an election or a set.
var Name = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$`)

// serviceName of a relay, such as ELECTION-PORT.
var serviceName = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,58}[a-z0-9])?$`)

// SetDefaults fills in what is missing.
func (c *Config) SetDefaults() {
	c.Settings.SetDefaults()
	if c.Listen == "" {
		c.Listen = fmt.Sprintf("127.0.0.1:%d", Port)
	}
	if c.Member == "" {
		c.Member = "${HOSTNAME}"
	}
	if c.Slots == 0 {
		c.Slots = defaultSlots
		if r := c.Backend.Raft; r != nil {
			c.Slots = max(c.Slots, 2*r.Size) // each may be followed by another before its session has ended
		}
	}
	if c.Campaign == "" {
		c.Campaign = CampaignAuto
	}
	if c.Callbacks.Timeout == 0 {
		c.Callbacks.Timeout = Duration(defaultTimeout)
	}
	c.Lease.SetDefaults()
	c.Relay.SetDefaults()
	if a := c.Application; a != nil {
		if a.Period == 0 {
			a.Period = Duration(time.Second)
		}
		if a.Timeout == 0 {
			a.Timeout = Duration(time.Second)
		}
		if a.Failures == 0 {
			a.Failures = 3
		}
	}
	if c.Backend.Raft != nil {
		c.Backend.Raft.SetDefaults()
	}
}

// SetDefaults of what electors need to find each other.
func (r *Raft) SetDefaults() {
	for _, field := range []struct {
		value *string
		text  string
	}{
		{&r.Listen, fmt.Sprintf(":%d", RaftPort)},
		{&r.Advertise, fmt.Sprintf("%s:%d", defaultAdvertise, RaftPort)},
		{&r.Slot, defaultSlot}, {&r.Peers, defaultPeers}, {&r.DataDir, defaultDataDir},
	} {
		if *field.value == "" {
			*field.value = field.text
		}
	}
}

// SetDefaults of what follows from the duration.
func (l *Lease) SetDefaults() {
	if l.Duration == 0 {
		l.Duration = Duration(defaultDuration)
	}
	if l.RenewDeadline == 0 {
		l.RenewDeadline = l.Duration * 3 / 4
	}
	if l.RetryPeriod == 0 {
		l.RetryPeriod = l.Duration / 4
	}
}

// SetDefaults of what rules connections.
func (r *Relay) SetDefaults() {
	if len(r.Services) == 0 {
		return // there is no relay
	}
	if r.Peer == "" {
		r.Peer = defaultPeer
	}
	if r.Patience == 0 {
		r.Patience = Duration(defaultPatience)
	}
	if r.Waiting == 0 {
		r.Waiting = defaultWaiting
	}
	if r.Drain == 0 {
		r.Drain = Duration(defaultDrain)
	}
}

// Validate returns every fault at once, or nil. It expects the defaults to be set (SetDefaults) and changes nothing.
func (c *Config) Validate() error {
	var all *multierror.Error
	add := func(path, format string, args ...any) {
		all = multierror.Append(all, fmt.Errorf("%s: %s", path, fmt.Sprintf(format, args...)))
	}
	var inner *multierror.Error
	if err := c.Settings.Validate(); errors.As(err, &inner) {
		all = multierror.Append(all, inner.Errors...)
	}
	if host, _, err := net.SplitHostPort(c.Listen); err != nil {
		add("listen", "must be HOST:PORT, got %q", c.Listen)
	} else if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		add("listen", "must be an address of the loopback, since whoever reaches the API may resign for others, got %q", c.Listen)
	}
	if len(c.Elections) == 0 && len(c.Sets) == 0 {
		add("elections", "must name at least one election, or a set of them")
	}
	if len(c.Elections) > MaxElections {
		add("elections", "must be at most %d, got %d: make a set of them", MaxElections, len(c.Elections))
	}
	for i, name := range c.Elections {
		if !Name.MatchString(name) {
			add(fmt.Sprintf("elections[%d]", i), "must be lower-case letters, digits and dashes, at most 40, beginning with a letter, got %q", name)
		}
		if slices.Index(c.Elections, name) < i {
			add(fmt.Sprintf("elections[%d]", i), "%q is there twice", name)
		}
	}
	shards := 0
	for _, name := range slices.Sorted(maps.Keys(c.Sets)) {
		at := fmt.Sprintf("sets[%q]", name)
		if !Name.MatchString(name) {
			add(at, "must be lower-case letters, digits and dashes, at most 40, beginning with a letter")
		}
		if c.Sets[name] < 1 {
			add(at+".shards", "must be at least 1, got %d", c.Sets[name])
		}
		shards += c.Sets[name]
	}
	if shards > MaxShards {
		add("sets", "must have at most %d shards together, got %d", MaxShards, shards)
	}
	if c.Slots < 1 || c.Slots > MaxSlots {
		add("slots", "must be 1 to %d, got %d", MaxSlots, c.Slots)
	}
	if r := c.Backend.Raft; r != nil && c.Slots < 2*r.Size {
		add("slots", "must be at least twice backend.raft.size (%d), since each elector may be followed by another before its session has ended, got %d", r.Size, c.Slots)
	}
	c.Lease.validate(add)
	if c.Campaign != CampaignAuto && c.Campaign != CampaignApp {
		add("campaign", "must be %q or %q, got %q", CampaignAuto, CampaignApp, c.Campaign)
	}
	c.Backend.validate(add)
	if a := c.Application; a != nil {
		if (a.URL == "") == (a.TCP == "") {
			add("application", "exactly one of url, tcp must be set")
		}
		if a.Period <= 0 || a.Timeout <= 0 || a.Failures < 1 {
			add("application", "period, timeout and failures must be greater than 0, got %s, %s and %d", a.Period, a.Timeout, a.Failures)
		}
	}
	c.validateRelay(add)
	for path, text := range map[string]string{"callbacks.on_elected": c.Callbacks.OnElected, "callbacks.on_demoted": c.Callbacks.OnDemoted} {
		if u, err := url.Parse(text); text != "" && (err != nil || u.Scheme != "http" || u.Host == "") {
			add(path, "must be http://HOST:PORT/PATH, got %q", text)
		}
	}
	if c.Callbacks.Timeout <= 0 || c.Callbacks.Timeout > c.Lease.Duration {
		add("callbacks.timeout", "must be greater than 0 and at most lease.duration (%s), got %s", c.Lease.Duration, c.Callbacks.Timeout)
	}
	return all.ErrorOrNil()
}

func (b *Backend) validate(add func(path, format string, args ...any)) {
	set := 0
	for _, there := range []bool{b.Engine != nil, b.Kubernetes != nil, b.Nomad != nil, b.Raft != nil} {
		if there {
			set++
		}
	}
	if set != 1 {
		add("backend", "exactly one of engine, kubernetes, nomad, raft must be set, got %d", set)
	}
	if b.Engine != nil && b.Engine.Instance == "" {
		add("backend.engine.instance", "must not be empty")
	}
	if b.Raft != nil {
		b.Raft.validate(add)
	}
}

func (r *Raft) validate(add func(path, format string, args ...any)) {
	if _, _, err := net.SplitHostPort(r.Listen); err != nil {
		add("backend.raft.listen", "must be HOST:PORT or :PORT, got %q", r.Listen)
	}
	if !reached(r.Advertise) {
		add("backend.raft.advertise", "must be HOST:PORT, where others reach this elector, got %q", r.Advertise)
	}
	if r.Size < leastSize || r.Size > mostSize || r.Size%2 == 0 {
		add("backend.raft.size", "must be 3, 5, 7 or 9, of which more than half must live, got %d", r.Size)
	}
	if n, err := strconv.Atoi(r.Slot); !strings.Contains(r.Slot, "$") && (err != nil || n < 0 || n >= r.Size) {
		add("backend.raft.slot", "must be a number from 0 to size-1 (%d), or the ${NAME} of a variable that holds it, got %q", r.Size-1, r.Slot)
	}
	for _, file := range [][2]string{{"peers", r.Peers}, {"data_dir", r.DataDir}, {"secret_file", r.SecretFile}} {
		if file[1] != "" && !filepath.IsAbs(file[1]) {
			add("backend.raft."+file[0], "must be an absolute path, got %q", file[1])
		}
	}
}

func (l *Lease) validate(add func(path, format string, args ...any)) {
	if l.RetryPeriod.Std() < leastRetry {
		add("lease.retry_period", "must be at least %s, got %s", leastRetry, l.RetryPeriod)
	}
	if l.RenewDeadline < 2*l.RetryPeriod {
		add("lease.renew_deadline", "must be at least twice lease.retry_period (%s), so that one renewal may fail, got %s", l.RetryPeriod, l.RenewDeadline)
	}
	if l.RenewDeadline > l.Duration*9/10 {
		add("lease.renew_deadline", "must be at most nine tenths of lease.duration (%s), the rest is the margin for clocks that do not go alike, got %s", l.Duration, l.RenewDeadline)
	}
}
