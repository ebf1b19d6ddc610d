package postgres

import (
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
)

// States as integers, as in the embedded store. Those up to inFlight are live: they count for groups.
const (
	blocked = iota + 1
	delayed
	waiting
	inFlight
	done
	dead
	states = dead
)

var stateNames = [states + 1]api.State{"", api.Blocked, api.Delayed, api.Waiting, api.InFlight, api.Done, api.Dead}

func stateNumber(s api.State) int32 {
	for i, name := range stateNames {
		if name == s {
			return int32(i)
		}
	}
	return -1
}

func instant(ns *int64) time.Time {
	if ns == nil || *ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, *ns)
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
