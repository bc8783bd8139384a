package rpccall

import (
	"cmp"
	"maps"
	"math/bits"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// A histogram has buckets of equal width within each power of two, so that no value is off by more than 1/64 of
// itself, in a few kilobytes, whatever the values are.
const (
	bucketBits = 6
	perOctave  = 1 << bucketBits
)

// Histogram counts durations. Its zero value is empty; copies share their counts. One goroutine at a time may use it.
type Histogram struct {
	counts []uint32 // as far as needed
	count  int
	sum    time.Duration
	max    time.Duration
	min    time.Duration
}

// Add counts a duration; a negative one is 0.
func (h *Histogram) Add(d time.Duration) {
	d = max(d, 0)
	bucket := bucketOf(uint64(d))
	if bucket >= len(h.counts) {
		h.counts = append(h.counts, make([]uint32, bucket+1-len(h.counts))...)
	}
	h.counts[bucket]++
	if h.count == 0 || d < h.min {
		h.min = d
	}
	h.count++
	h.sum += d
	h.max = max(h.max, d)
}

// bucketOf keeps the highest bucketBits+1 bits of a number.
func bucketOf(n uint64) int {
	octave := max(bits.Len64(n)-bucketBits-1, 0)
	return octave*perOctave + int(n>>octave) //nolint:gosec // below 2*perOctave
}

// ceiling returns the largest number of a bucket.
func ceiling(bucket int) time.Duration {
	octave := max(bucket/perOctave-1, 0)
	rest := bucket - octave*perOctave
	return time.Duration((uint64(rest)+1)<<octave - 1) //nolint:gosec // what Add took was no larger
}

// Count returns how many durations there are.
func (h *Histogram) Count() int { return h.count }

// Max returns the largest duration.
func (h *Histogram) Max() time.Duration { return h.max }

// Min returns the smallest duration.
func (h *Histogram) Min() time.Duration { return h.min }

// Mean returns the mean of all durations, 0 without any.
func (h *Histogram) Mean() time.Duration {
	if h.count == 0 {
		return 0
	}
	return h.sum / time.Duration(h.count)
}

// Quantile returns a duration that a share q, from 0 to 1, of all durations does not exceed: at most 1/64 more than the
// smallest that this is true of.
func (h *Histogram) Quantile(q float64) time.Duration {
	want := max(int(q*float64(h.count)+0.5), 1)
	seen := 0
	for i, n := range h.counts {
		if seen += int(n); n > 0 && seen >= want {
			return min(ceiling(i), h.max)
		}
	}
	return h.max
}

// Bar is the durations of a histogram up to a bound and above that of the bar before.
type Bar struct {
	UpTo  time.Duration
	Count int
}

// Bars returns the histogram in at most n bars with bounds in equal steps of the logarithm's, the first and the last of
// which are not empty.
func (h *Histogram) Bars(n int) []Bar {
	if h.count == 0 || n < 1 {
		return nil
	}
	first := slices.IndexFunc(h.counts, func(n uint32) bool { return n > 0 })
	width := (len(h.counts)-first-1)/n + 1
	var bars []Bar
	for low := first; low < len(h.counts); low += width {
		high := min(low+width, len(h.counts))
		bar := Bar{UpTo: min(ceiling(high-1), h.max)}
		for _, n := range h.counts[low:high] {
			bar.Count += int(n)
		}
		bars = append(bars, bar)
	}
	return bars
}

func (h *Histogram) merge(other *Histogram) {
	if other.count == 0 {
		return
	}
	if missing := len(other.counts) - len(h.counts); missing > 0 {
		h.counts = append(h.counts, make([]uint32, missing)...)
	}
	for i, n := range other.counts {
		h.counts[i] += n
	}
	if h.count == 0 || other.min < h.min {
		h.min = other.min
	}
	h.count += other.count
	h.sum += other.sum
	h.max = max(h.max, other.max)
}

// tally is what one caller has seen.
type tally struct {
	latency Histogram
	failed  map[codes.Code]Failures
}

func (t *tally) fail(s *status.Status) {
	f := t.failed[s.Code()]
	t.count(Failures{Code: s.Code(), Count: 1, Message: cmp.Or(f.Message, Printable(s.Message()))})
}

func (t *tally) count(f Failures) {
	if t.failed == nil {
		t.failed = make(map[codes.Code]Failures)
	}
	before := t.failed[f.Code]
	t.failed[f.Code] = Failures{Code: f.Code, Count: before.Count + f.Count, Message: cmp.Or(before.Message, f.Message)}
}

func (t *tally) add(other *tally) {
	t.latency.merge(&other.latency)
	for _, f := range other.failed {
		t.count(f)
	}
}

func (t *tally) calls() int {
	sum := t.latency.count
	for _, f := range t.failed {
		sum += f.Count
	}
	return sum
}

func (t *tally) sorted() []Failures {
	return slices.SortedFunc(maps.Values(t.failed), func(a, b Failures) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Code, b.Code))
	})
}
