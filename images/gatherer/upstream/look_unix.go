//go:build unix

package upstream

import "syscall"

// lookInto prepares quiet: made once, since closures cost memory.
func (cn *conn) lookInto() {
	s, ok := cn.Conn.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return
	}
	cn.raw = raw
	cn.look = func(fd uintptr) bool {
		var b [1]byte
		_, err := syscall.Read(int(fd), b[:]) // sockets of package net do not block
		cn.still = err == syscall.EAGAIN
		return true
	}
}

// quiet tells whether an idle connection is open and nothing has come by it: neither its end, nor bytes that nobody has asked
// for, which would be taken for the next answer.
func (cn *conn) quiet() bool {
	if cn.raw == nil {
		return true
	}
	cn.still = false
	return cn.raw.Read(cn.look) == nil && cn.still
}
