// Package backoff computes how long to wait before trying again. It never waits itself: the caller owns
// the timer, and so its cancellation.
package backoff

import (
	"math"
	"math/rand/v2"
	"time"
)

// Policy is exponential backoff with jitter. The zero value is not usable; its methods may be called
// from several goroutines at once.
type Policy struct {
	Base   time.Duration // before the first retry
	Max    time.Duration // no delay is longer than this
	Factor float64       // growth from one retry to the next
	Jitter float64       // 0 to 1: each delay is drawn evenly from delay×(1±Jitter), and cut at Max
}

// Default starts at 100 ms and doubles up to 10 s, with a jitter of 0.2, so that clients that lost the
// same server do not come back in step.
func Default() Policy {
	return Policy{Base: 100 * time.Millisecond, Max: 10 * time.Second, Factor: 2, Jitter: 0.2}
}

// Delay returns the delay before retry number attempt, counted from 0.
func (p Policy) Delay(attempt int) time.Duration {
	delay := math.Min(float64(p.Base)*math.Pow(p.Factor, float64(max(attempt, 0))), float64(p.Max))
	delay *= 1 + p.Jitter*(2*rand.Float64()-1) //nolint:gosec // spreads load; nothing secret depends on it
	return time.Duration(math.Min(delay, float64(p.Max)))
}
