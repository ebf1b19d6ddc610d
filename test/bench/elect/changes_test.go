package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestQuantile(t *testing.T) {
	var hundred []time.Duration
	for i := range 100 {
		hundred = append(hundred, time.Duration(100-i))
	}
	for _, test := range []struct {
		name string
		all  []time.Duration
		q    float64
		is   time.Duration
	}{
		{"of nothing", nil, 0.99, 0},
		{"of one", []time.Duration{7}, 0.5, 7},
		{"the least", hundred, 0, 1},
		{"the middle", hundred, 0.5, 50},
		{"one of a hundred may be greater", hundred, 0.99, 99},
		{"with fewer it is the most", hundred[:99], 0.999, 100},
		{"the most", hundred, 1, 100},
	} {
		t.Run(test.name, func(t *testing.T) { assert.Equal(t, test.is, quantile(test.all, test.q)) })
	}
}
