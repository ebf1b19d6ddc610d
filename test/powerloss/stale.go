package powerloss

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

const fsName = "powerloss"

// source names the process that serves a mount.
func source(pid int) string { return fmt.Sprintf("%s-%d", fsName, pid) }

// unmountStale takes away what tests have left that were killed.
func unmountStale() error {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return fmt.Errorf("look for stale mounts: %w", err)
	}
	for line := range strings.Lines(string(mounts)) {
		// ID PARENT MAJOR:MINOR ROOT PATH OPTIONS [FIELDS] - TYPE SOURCE OPTIONS
		before, after, _ := strings.Cut(line, " - ")
		left, right := strings.Fields(before), strings.Fields(after)
		if len(left) < 5 || len(right) < 2 || right[0] != "fuse."+fsName {
			continue
		}
		pid, err := strconv.Atoi(strings.TrimPrefix(right[1], fsName+"-"))
		if err != nil || !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			continue
		}
		if err := syscall.Unmount(left[4], syscall.MNT_DETACH); err != nil {
			return fmt.Errorf("unmount %s, which process %d has left: %w", left[4], pid, err)
		}
	}
	return nil
}
