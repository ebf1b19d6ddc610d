package scatter

import "sync/atomic"

// tokenUnits make a token of the budget: fractions of a token are counted as whole numbers.
const tokenUnits = 1_000_000

// maxTokens that are saved for later, so that a quiet hour does not pay for a storm of hedges.
const maxTokens = 100

// A budget bounds hedges to a part of all first attempts: each of these adds a fraction of a token, each hedge takes one
// (a token bucket, as of gRPC's retry throttling, proposal A6).
type budget struct {
	rate   atomic.Int64 // units for a first attempt
	tokens atomic.Int64 // in units
}

// earn for n first attempts.
func (b *budget) earn(n int) {
	add := b.rate.Load() * int64(n)
	for {
		have := b.tokens.Load()
		if have >= maxTokens*tokenUnits || b.tokens.CompareAndSwap(have, min(have+add, maxTokens*tokenUnits)) {
			return
		}
	}
}

// spend one token, if there is one.
func (b *budget) spend() bool {
	for {
		have := b.tokens.Load()
		if have < tokenUnits {
			return false
		}
		if b.tokens.CompareAndSwap(have, have-tokenUnits) {
			return true
		}
	}
}
