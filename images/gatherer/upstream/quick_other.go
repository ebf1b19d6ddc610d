//go:build !linux

package upstream

var quickAck func(fd uintptr)
