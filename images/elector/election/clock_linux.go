package election

import (
	"time"

	"golang.org/x/sys/unix"
)

// boottime goes on while the machine sleeps, which the monotonic clock of Go does not (clock_gettime(2), CLOCK_BOOTTIME).
func boottime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil { // since Linux 2.6.39
		panic(err)
	}
	return time.Duration(t.Nano())
}
