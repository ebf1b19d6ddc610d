package config

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
)

// reached tells whether a text is HOST:PORT, or may become that when the environment is put in.
func reached(text string) bool {
	host, _, err := net.SplitHostPort(text)
	return err == nil && host != "" || strings.HasSuffix(text, "}")
}

// has tells whether an election is declared; one of a set is SET/SHARD.
func (c *Config) has(election string) bool {
	set, text, ofSet := strings.Cut(election, "/")
	if !ofSet {
		return slices.Contains(c.Elections, election)
	}
	shard, err := strconv.Atoi(text)
	return err == nil && shard >= 0 && shard < c.Sets[set] && strconv.Itoa(shard) == text
}

// validateRelay checks what is said of services.
func (c *Config) validateRelay(add func(path, format string, args ...any)) {
	r := &c.Relay
	if len(r.Services) == 0 {
		if r.Peer != "" || r.Patience != 0 || r.Waiting != 0 || r.Drain != 0 {
			add("relay.services", "must have at least one, for the rest of relay to mean anything")
		}
		return
	}
	if len(r.Services) > MaxServices {
		add("relay.services", "must be at most %d, got %d", MaxServices, len(r.Services))
	}
	taken := map[string]string{}
	port := func(path, address string) {
		_, number, err := net.SplitHostPort(address)
		if n, wrong := strconv.ParseUint(number, 10, 16); err != nil || wrong != nil {
			add(path, "must be HOST:PORT or :PORT, got %q", address)
		} else if other, is := taken[number]; is && n != 0 {
			add(path, "port %s is that of %s", number, other)
		} else {
			taken[number] = path
		}
	}
	port("listen", c.Listen)
	port("relay.peer", r.Peer)
	if c.Address == "" {
		add("address", "must be the HOST:PORT that other electors reach relay.peer (%s) at", r.Peer)
	} else if !reached(c.Address) {
		add("address", "must be HOST:PORT, where other electors reach relay.peer (%s), got %q", r.Peer, c.Address)
	}
	if r.Patience <= 0 || r.Patience.Std() > mostPatience {
		add("relay.patience", "must be greater than 0 and at most %s, got %s", mostPatience, r.Patience)
	}
	if r.Drain <= 0 || r.Drain.Std() > mostPatience {
		add("relay.drain", "must be greater than 0 and at most %s, got %s", mostPatience, r.Drain)
	}
	if r.Waiting < 1 || r.Waiting > MaxWaiting {
		add("relay.waiting", "must be 1 to %d, got %d", MaxWaiting, r.Waiting)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Services)) {
		s, at := r.Services[name], fmt.Sprintf("relay.services[%q]", name)
		if !serviceName.MatchString(name) {
			add(at, "must be lower-case letters, digits and dashes, at most 60, beginning with a letter")
		}
		if !c.has(s.Election) {
			add(at+".election", "there is no election %q", s.Election)
		}
		port(at+".listen", s.Listen)
		if host, number, err := net.SplitHostPort(s.Target); err != nil || host == "" || number == "" || number == "0" {
			add(at+".target", "must be HOST:PORT, got %q", s.Target)
		}
	}
}
