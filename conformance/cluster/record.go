package cluster

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"
)

// SlotLength is the resolution of all records of the load.
const SlotLength = 10 * time.Millisecond

// Slot is what the callers saw in one stretch of time. Instances are told apart by their host:port.
type Slot struct {
	Start    time.Time
	Sent     map[string]int // attempts of calls that went out, by instance
	Answered map[string]int // calls that were answered
	Reads    int            // calls that ended
	Writes   int
	Failed   []Failure
}

// Failure is one call that failed.
type Failure struct {
	Write   bool
	Started time.Time
	Elapsed time.Duration
	Error   string
}

// NewSlot returns an empty slot that starts then.
func NewSlot(start time.Time) *Slot {
	return &Slot{Start: start, Sent: map[string]int{}, Answered: map[string]int{}}
}

// Empty reports whether nothing happened in the slot.
func (s *Slot) Empty() bool { return len(s.Sent) == 0 && len(s.Answered) == 0 && s.Reads+s.Writes == 0 }

// Records are all slots of a load, in order. Methods may be called from several goroutines.
type Records struct {
	mu    sync.Mutex
	slots []Slot
	total map[string]int // calls answered, by instance
}

// Follow takes in the slots that a caller writes, one line of JSON each, until there are no more.
func (r *Records) Follow(lines io.Reader) error {
	scanner := bufio.NewScanner(lines)
	scanner.Buffer(nil, 8<<20)
	for scanner.Scan() {
		var s Slot
		if err := json.Unmarshal(scanner.Bytes(), &s); err != nil {
			return fmt.Errorf("read a caller's record %q: %w", scanner.Text(), err)
		}
		r.add(s)
	}
	return scanner.Err()
}

func (r *Records) add(s Slot) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.total == nil {
		r.total = map[string]int{}
	}
	r.slots = append(r.slots, s)
	for instance, n := range s.Answered {
		r.total[instance] += n
	}
}

// Answers returns how many calls each instance has answered until now.
func (r *Records) Answers() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.total)
}

// Count is the outcome of one kind of call.
type Count struct {
	Calls  int
	Failed []Failure
}

// Counts returns the outcome of the calls that ended since then.
func (r *Records) Counts(since time.Time) (reads, writes Count) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.slots {
		s := &r.slots[i]
		if s.Start.Before(since.Add(-SlotLength)) {
			continue
		}
		reads.Calls += s.Reads
		writes.Calls += s.Writes
		for _, f := range s.Failed {
			if f.Write {
				writes.Failed = append(writes.Failed, f)
			} else {
				reads.Failed = append(reads.Failed, f)
			}
		}
	}
	return reads, writes
}

// Left returns how long after the time the last attempt was sent to the instance, of those before the end: 0 when none was.
func (r *Records) Left(instance string, after, end time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range slices.Backward(r.slots) {
		s := &r.slots[i]
		if s.Start.Before(end) && s.Sent[instance] > 0 {
			return max(s.Start.Add(SlotLength).Sub(after), 0)
		}
	}
	return 0
}

// Back returns how long after the time the instance answered a call, and whether it has.
func (r *Records) Back(instance string, after time.Time) (time.Duration, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.slots {
		s := &r.slots[i]
		if s.Start.After(after) && s.Answered[instance] > 0 {
			return s.Start.Add(SlotLength).Sub(after), true
		}
	}
	return 0, false
}

// Gap returns the longest time since then in which no call at all was answered.
func (r *Records) Gap(since time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	var longest time.Duration
	last := since
	for i := range r.slots {
		s := &r.slots[i]
		if s.Start.Before(since) || len(s.Answered) == 0 {
			continue
		}
		longest = max(longest, s.Start.Sub(last))
		last = s.Start
	}
	return longest
}
