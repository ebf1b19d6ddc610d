package config

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestLeadersAreThoseWhoseSessionsLive(t *testing.T) {
	leaders, members := Leaders(map[string][]byte{
		"member-0":      []byte(`{"revision":4,"id":"s0","member":"web-0","ready":true}`),
		"member-1":      []byte(`{"revision":9,"id":"s1","member":"web-1","ended":true}`),
		"member-2":      []byte(`{"revision":1,"id":"s2","member":"web-2"}`),
		"member-3":      []byte(`not JSON`),
		"election-one":  []byte(`{"revision":2,"seats":{"one":{"session":"s2","slot":2,"member":"web-2","term":7}}}`),
		"election-two":  []byte(`{"revision":2,"seats":{"two":{"session":"s1","slot":1,"member":"web-1","term":3}}}`),
		"set-parts-0":   []byte(`{"revision":2,"seats":{"parts/0":{"session":"s0","term":1},"parts/1":{"term":2}}}`),
		"make-member-0": []byte(`{"id":"m0","member":"make-0"}`), "make-election-one": []byte(`{"seats":{"one":{"session":"m0","term":5}}}`),
	})
	assert.Equal(t, []string{"make-0", "web-0", "web-2"}, members)
	assert.Equal(t, map[string]Leader{
		"one": {"web-2", 7}, "two": {"", 3}, "parts/0": {"web-0", 1}, "parts/1": {"", 2}, "make-one": {"make-0", 5},
	}, leaders)
}
