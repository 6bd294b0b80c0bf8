package batcher

import (
	"errors"
	"math/rand/v2"
	"time"
)

// Backoff is exponential backoff with full jitter: before retry n (from 0) wait
// between nothing and min(Max, Initial × 2ⁿ), evenly spread. Source: M. Brooker,
// "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
type Backoff struct {
	Initial time.Duration // over 0
	Max     time.Duration // at least Initial
}

func (b Backoff) validate() error {
	if b.Initial <= 0 || b.Max < b.Initial {
		return errors.New("backoff: initial must be over 0, max at least initial")
	}
	return nil
}

// ceiling is the longest wait before retry n.
func (b Backoff) ceiling(n int) time.Duration {
	wait := b.Initial
	for ; n > 0 && wait < b.Max; n-- {
		wait *= 2
	}
	return min(wait, b.Max)
}

// delay draws the wait before retry n.
func (b Backoff) delay(n int, rng *rand.Rand) time.Duration {
	return time.Duration(rng.Int64N(int64(b.ceiling(n)) + 1))
}

// halfFixed draws a pause between half of ceiling and all of it. It paces probes:
// full jitter may draw 0, which would be no pause at all.
func halfFixed(ceiling time.Duration, rng *rand.Rand) time.Duration {
	return ceiling/2 + time.Duration(rng.Int64N(int64(ceiling/2)+1))
}
