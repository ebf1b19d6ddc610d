// Package storetest is what every store must hold: a case for each sentence of the interface, and random programs that are
// compared with a model.
package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/store"
)

// An Instance is an empty store to test.
type Instance struct {
	Store store.Store
	// Another opens one more Store of the same database, as another server does. Nil if there can be one only.
	Another func() store.Store
}

// Open makes an instance that the suite closes.
type Open func(t testing.TB, options store.Options) Instance

// start an instance with a clock of its own.
func (open Open) start(t testing.TB) (Instance, *Clock) {
	t.Helper()
	clock := NewClock()
	i := open(t, store.Options{Now: clock.Now, DeduplicationWindow: func() time.Duration { return window }})
	t.Cleanup(func() { assert.NoError(t, i.Store.Close()) })
	return i, clock
}

// Suite runs all cases.
func Suite(t *testing.T, open Open) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			i, clock := open.start(t)
			c.run(&suite{T: t, Instance: i, ctx: context.Background(), s: i.Store, clock: clock})
		})
	}
	t.Run("random programs do what they do in the model", func(t *testing.T) {
		for seed := range uint64(programs) {
			random := rand.New(rand.NewPCG(seed, 7)) //nolint:gosec // the same in each run
			program := make([]byte, 700)
			for i := range program {
				program[i] = byte(random.Uint32())
			}
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				i, clock := open.start(t)
				Play(t, i.Store, clock, program)
			})
		}
	})
}

// programs that each run of the suite plays.
const programs = 30

// Fuzz programs, whose bytes are operations.
func Fuzz(f *testing.F, open Open) {
	f.Add([]byte("0 enqueue 3 receive 7 commit, and so on: any bytes are a program"))
	f.Fuzz(func(t *testing.T, program []byte) {
		i, clock := open.start(t)
		Play(t, i.Store, clock, program[:min(len(program), 400)])
	})
}
