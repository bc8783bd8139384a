package check

import (
	"context"
	"time"

	"github.com/pandakit/panda/internal/consulwire"
)

// runner is one check that runs. The monitor's lock guards all that changes; the streak belongs to
// whoever holds it too.
type runner struct {
	id     string
	def    Definition
	probe  probe // nil for TTL and alias
	cancel context.CancelFunc
	poke   chan struct{} // makes run look at the times anew

	result  Result // that was told last
	renewed string // the output of the last renewal of a TTL check
	streak  streak
	since   time.Time // when it became critical; zero while it is not
	next    time.Time // the next probe, or the end of the TTL
	waiting *Result   // found, but not taken yet; nil mostly
	retry   time.Time // when to tell it again
	expired bool      // there is no next: the TTL has ended and was not renewed, or the check follows others
}

// set notes a result that was told.
func (r *runner) set(result Result, now time.Time) {
	r.result, r.waiting = result, nil
	r.count(result.Status, now)
}

// wait notes a result that was found and is to be told again.
func (r *runner) wait(result Result, now time.Time) {
	r.waiting, r.retry = &result, now.Add(retryAfter)
	r.count(result.Status, now)
}

// count notes since when the check is critical.
func (r *runner) count(status string, now time.Time) {
	if status != consulwire.Critical {
		r.since = time.Time{}
	} else if r.since.IsZero() {
		r.since = now
	}
}

func (r *runner) wake() {
	select {
	case r.poke <- struct{}{}:
	default:
	}
}

// idle is how long a runner sleeps that waits for nothing but to be woken.
const idle = time.Hour

// due returns when there is something to do next.
func (r *runner) due() time.Time {
	due := time.Now().Add(idle)
	if !r.expired {
		due = r.next
	}
	if r.waiting != nil && r.retry.Before(due) {
		due = r.retry
	}
	if deadline := r.deadline(); !deadline.IsZero() && deadline.Before(due) {
		due = deadline
	}
	return due
}

// deadline returns when the check will have been critical for too long; zero while there is no such time.
func (r *runner) deadline() time.Time {
	if r.def.DeregisterAfter <= 0 || r.since.IsZero() {
		return time.Time{}
	}
	return r.since.Add(r.def.DeregisterAfter)
}

func (r *runner) overdue(now time.Time) bool {
	deadline := r.deadline()
	return !deadline.IsZero() && !now.Before(deadline)
}
