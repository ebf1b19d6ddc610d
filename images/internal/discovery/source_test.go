package discovery

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestWhoIsBelieved(t *testing.T) {
	pod, dns, before := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.99.0.1"), netip.MustParseAddr("10.0.0.7")
	known := map[string]slice{"a": {AddressType: "IPv4"}}
	known["a"] = func() slice {
		s := known["a"]
		s.Endpoints = append(s.Endpoints, struct {
			Addresses  []string   `json:"addresses"`
			Conditions conditions `json:"conditions"`
		}{Addresses: []string{pod.String()}})
		return s
	}()
	for _, test := range []struct {
		name    string
		source  *source
		want    []netip.Addr
		dns     bool
		pending bool
	}{
		{"nobody while the first list is under way", &source{listing: true}, []netip.Addr{before}, false, true},
		{"slices as long as they are watched", &source{slices: known}, []netip.Addr{pod}, false, false},
		{"slices when the watch has just broken", &source{slices: known, broken: time.Now().Add(-staleAfter / 2), asked: true, found: []netip.Addr{dns}}, []netip.Addr{pod}, false, false},
		{"slices when the watch broke long ago, until DNS has answered", &source{slices: known, broken: time.Now().Add(-staleAfter)}, []netip.Addr{pod}, true, false},
		{"DNS when the watch broke long ago", &source{slices: known, broken: time.Now().Add(-staleAfter), asked: true, found: []netip.Addr{dns}}, []netip.Addr{dns}, true, false},
		{"slices when DNS knows nothing", &source{slices: known, broken: time.Now().Add(-staleAfter), asked: true}, []netip.Addr{pod}, true, false},
		{"DNS where there is no slice", &source{slices: map[string]slice{}, asked: true, found: []netip.Addr{dns}}, []netip.Addr{dns}, true, false},
		{"what was before until DNS has answered", &source{slices: map[string]slice{}}, []netip.Addr{before}, true, true},
		{"DNS when it says that there is nothing", &source{asked: true}, nil, true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := test.source
			s.last = map[uint16][]netip.Addr{80: {before}}
			found, ask, pending := s.addresses(80)
			assert.Equal(t, test.want, found)
			assert.Equal(t, test.dns, ask, "DNS is asked")
			assert.Equal(t, test.pending, pending, "it is not known yet")
		})
	}
}

func TestFullNamesAreNotSearchedFor(t *testing.T) {
	for host, want := range map[string]string{
		"leaf": "leaf", "leaf.search": "leaf.search", "leaf.search.svc": "leaf.search.svc", "www.example.com": "www.example.com",
		"leaf.search.svc.cluster.local": "leaf.search.svc.cluster.local.", "leaf.search.svc.cluster.local.": "leaf.search.svc.cluster.local.",
	} {
		assert.Equal(t, want, absolute(host))
	}
}
