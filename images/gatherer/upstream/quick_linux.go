package upstream

import "syscall"

var quickAck = func(fd uintptr) {
	_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1) // then it is slower, and that is all
}
