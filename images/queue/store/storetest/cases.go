package storetest

import "testing"

type suite struct {
	testing.TB
	Instance
	s     interface{}
	clock *Clock
}

var cases []struct {
	name string
	run  func(*suite)
}
