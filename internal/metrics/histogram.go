package metrics

import (
	"sync/atomic"
	"time"
)

// bounds are the upper limits of the buckets: client_golang's defaults, and finer ones below, because
// calls within one machine take a fraction of a millisecond.
var bounds = [...]time.Duration{
	250 * time.Microsecond, 500 * time.Microsecond, time.Millisecond, 2500 * time.Microsecond,
	5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond,
	250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second,
}

// histogram counts durations. It is safe for concurrent use and takes no lock.
type histogram struct {
	buckets [len(bounds) + 1]atomic.Uint64 // each on its own; the last is above all bounds
	sum     atomic.Int64                   // nanoseconds
}

func (h *histogram) observe(d time.Duration) {
	i := 0
	for i < len(bounds) && d > bounds[i] {
		i++
	}
	h.buckets[i].Add(1)
	h.sum.Add(int64(d))
}
