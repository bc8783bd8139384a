package rollout

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// The rules by which a canary is judged. It is worse as soon as one of the two holds, for all that both sides have
// counted since it takes calls; it is looked at every second.
//
//	errors   at least [MinFailed] calls failed, the part of them that did is larger than that of the old instances by
//	         [MoreErrors] or more, and a difference like that comes about by chance less than once in 4,000 looks
//	latency  the mean time of a call is at least [MoreLatency] times that of the old instances and [LatencyFloor] longer,
//	         and chance is as unlikely
//
// Neither is asked before both sides have had [MinCalls] calls.
const (
	MinCalls     = 50
	MinFailed    = 5
	MoreErrors   = 0.01
	MoreLatency  = 1.5
	LatencyFloor = 10 * time.Millisecond

	// significant is the distance, in standard deviations, that chance reaches less than once in 4,000 times.
	significant = 3.5
)

// Bucket is a part of a histogram: calls that took no longer than UpTo, and longer than those of the bucket before.
type Bucket struct {
	UpTo  time.Duration // of the last one: math.MaxInt64, which stands for no bound
	Count uint64
}

// Sample is what an instance has counted. Calls and failures are of every kind of call; the latency is of those that are
// one request and one answer, for streams last as long as their callers like.
type Sample struct {
	Calls, Failed uint64
	Timed         uint64        // calls whose time is known
	Total         time.Duration // that they took together
	Buckets       []Bucket      // in the order of their bounds
}

// since returns what was counted after an earlier sample of the same instance.
func (s Sample) since(before Sample) Sample {
	earlier := make(map[time.Duration]uint64, len(before.Buckets))
	for _, b := range before.Buckets {
		earlier[b.UpTo] = b.Count
	}
	d := Sample{
		Calls: s.Calls - before.Calls, Failed: less(s.Failed, before.Failed), Timed: less(s.Timed, before.Timed),
		Total: max(s.Total-before.Total, 0),
	}
	for _, b := range s.Buckets {
		d.Buckets = append(d.Buckets, Bucket{b.UpTo, less(b.Count, earlier[b.UpTo])})
	}
	return d
}

// less subtracts counters that are read one after the other, so that one may be ahead of the others.
func less(a, b uint64) uint64 { return a - min(a, b) }

func (s *Sample) add(other Sample) {
	s.Calls += other.Calls
	s.Failed += other.Failed
	s.Timed += other.Timed
	s.Total += other.Total
	for _, b := range other.Buckets {
		at, found := slices.BinarySearchFunc(s.Buckets, b.UpTo, func(in Bucket, bound time.Duration) int {
			return int(min(max(in.UpTo-bound, -1), 1))
		})
		if found {
			s.Buckets[at].Count += b.Count
		} else {
			s.Buckets = slices.Insert(s.Buckets, at, b)
		}
	}
}

// errorRate returns the part of the calls that failed, 0 to 1.
func (s *Sample) errorRate() float64 {
	if s.Calls == 0 {
		return 0
	}
	return float64(min(s.Failed, s.Calls)) / float64(s.Calls)
}

// Mean returns the mean time of a call, 0 when none is known.
func (s *Sample) Mean() time.Duration {
	if s.Timed == 0 {
		return 0
	}
	return s.Total / time.Duration(min(s.Timed, math.MaxInt64))
}

// variance returns that of the times around their mean, in seconds squared, each taken for the upper bound of its
// bucket, which makes it too large rather than too small.
func (s *Sample) variance() float64 {
	mean, sum, n := s.Mean().Seconds(), 0.0, uint64(0)
	highest := 0.0
	for _, b := range s.Buckets {
		at := b.UpTo.Seconds()
		if b.UpTo == math.MaxInt64 {
			at = 2 * highest
		}
		highest = at
		sum += float64(b.Count) * (at - mean) * (at - mean)
		n += b.Count
	}
	if n == 0 {
		return 0
	}
	return sum / float64(n)
}

// Comparison is what the canary and the old instances, together, have counted while both took calls.
type Comparison struct{ Old, Fresh Sample }

// Enough reports whether both sides have had enough calls to be compared.
func (c *Comparison) Enough() bool { return c.Old.Calls >= MinCalls && c.Fresh.Calls >= MinCalls }

// Worse says by which rule the canary does worse, "" when it does not, or it is too early to tell.
func (c *Comparison) Worse() string {
	switch {
	case !c.Enough():
		return ""
	case c.moreErrors():
		return fmt.Sprintf("%d of %d calls failed (%s), of the old instances' %d of %d (%s)",
			c.Fresh.Failed, c.Fresh.Calls, percent(c.Fresh.errorRate()), c.Old.Failed, c.Old.Calls, percent(c.Old.errorRate()))
	case c.slower():
		return fmt.Sprintf("a call takes %v at the mean of %d, the old instances' %v of %d",
			shown(c.Fresh.Mean()), c.Fresh.Timed, shown(c.Old.Mean()), c.Old.Timed)
	}
	return ""
}

func shown(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }

// moreErrors compares two proportions, with the deviation that one common error rate would give.
func (c *Comparison) moreErrors() bool {
	old, fresh := c.Old.errorRate(), c.Fresh.errorRate()
	if c.Fresh.Failed < MinFailed || fresh-old < MoreErrors {
		return false
	}
	n, m := float64(c.Fresh.Calls), float64(c.Old.Calls)
	common := (fresh*n + old*m) / (n + m)
	return fresh-old > significant*math.Sqrt(common*(1-common)*(1/n+1/m))
}

// slower compares two means, each with its own variance (Welch's test).
func (c *Comparison) slower() bool {
	if c.Old.Timed < MinCalls || c.Fresh.Timed < MinCalls {
		return false
	}
	old, fresh := c.Old.Mean(), c.Fresh.Mean()
	if float64(fresh) < MoreLatency*float64(old) || fresh-old < LatencyFloor {
		return false
	}
	deviation := math.Sqrt(c.Fresh.variance()/float64(c.Fresh.Timed) + c.Old.variance()/float64(c.Old.Timed))
	return (fresh - old).Seconds() > significant*deviation
}

// String tells what was compared.
func (c *Comparison) String() string {
	text := fmt.Sprintf("%d of %d calls failed, of the old instances' %d of %d", c.Fresh.Failed, c.Fresh.Calls, c.Old.Failed, c.Old.Calls)
	if c.Fresh.Timed > 0 && c.Old.Timed > 0 {
		text += fmt.Sprintf("; a call takes %v at the mean, theirs %v", shown(c.Fresh.Mean()), shown(c.Old.Mean()))
	}
	return text
}
