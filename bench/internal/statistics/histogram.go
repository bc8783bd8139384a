package statistics

import (
	"math/bits"
	"time"
)

// Each power of two is divided into 64 buckets, so a latency is known to within 1.6 %.
const (
	halfBits = 6
	half     = 1 << halfBits
	maxShift = 34 // 2^41 ns, over half an hour; what is longer counts as that
	buckets  = (maxShift + 2) * half
)

// Histogram counts latencies. The zero value is empty and ready; one goroutine at a time may use it.
type Histogram struct {
	counts [buckets]uint32
	total  uint64
}

// Record counts one latency; a negative one counts as zero. It does not allocate.
func (h *Histogram) Record(latency time.Duration) {
	h.counts[bucketOf(latency)]++
	h.total++
}

// Add counts all that other has counted.
func (h *Histogram) Add(other *Histogram) {
	for i := range other.counts {
		h.counts[i] += other.counts[i]
	}
	h.total += other.total
}

// Count returns how many latencies were recorded.
func (h *Histogram) Count() uint64 { return h.total }

// Quantile returns the latency that the share of all calls did not exceed, the middle of its bucket. The
// share is from 0 to 1; the result is zero while nothing is recorded.
func (h *Histogram) Quantile(share float64) time.Duration {
	if h.total == 0 {
		return 0
	}
	rank := max(uint64(share*float64(h.total)+0.5), 1)
	var seen uint64
	for i := range h.counts {
		seen += uint64(h.counts[i])
		if seen >= rank {
			return middleOf(i)
		}
	}
	return middleOf(buckets - 1)
}

func bucketOf(latency time.Duration) int {
	ns := uint64(max(latency, 0))
	shift := max(bits.Len64(ns)-halfBits-1, 0)
	if shift > maxShift {
		return buckets - 1
	}
	return shift*half + int(ns>>shift) // under 128 after the shift
}

func middleOf(bucket int) time.Duration {
	if bucket < 2*half {
		return time.Duration(bucket)
	}
	shift := bucket/half - 1
	low := (bucket%half + half) << shift
	return time.Duration(low + (1<<shift)/2)
}
