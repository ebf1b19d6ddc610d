// Member is the elector, whose clock may go at another rate, and whose margin may be taken out. It is for the tests of this folder.
package main

import (
	"os"
	"strconv"
	"time"

	"github.com/container-patterns/terraform-provider-pattern/images/elector/election"
	"github.com/container-patterns/terraform-provider-pattern/images/elector/wire"
)

func main() { wire.Main(clock, margin) }

// clock goes CLOCK_RATE times as fast as the true one.
func clock(o *election.Options) {
	of, err := strconv.ParseFloat(os.Getenv("CLOCK_RATE"), 64)
	if err != nil {
		panic(err)
	}
	o.Clock = rate{o.Clock, of}
}

type rate struct {
	election.Clock
	of float64
}

func (r rate) Now() time.Duration { return time.Duration(float64(r.Clock.Now()) * r.of) }
func (r rate) After(d time.Duration) <-chan time.Time {
	return r.Clock.After(time.Duration(float64(d) / r.of))
}

// margin between what others wait and what a leader counts on, unless MARGIN=none: then it counts on a quarter more than they wait.
func margin(o *election.Options) {
	if os.Getenv("MARGIN") == "none" {
		o.Lease.RenewDeadline = o.Lease.Duration * 5 / 4
	}
}
