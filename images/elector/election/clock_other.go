//go:build !linux

package election

import "time"

var start = time.Now()

func boottime() time.Duration { return time.Since(start) }
