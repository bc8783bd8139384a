package loadbalance

import (
	"context"
	"sync"
	"sync/atomic"
)

// markKey finds in a call's context what the picker has to know of it: a streamMark or an *[Attempt].
type markKey struct{}

type streamMark struct{}

// Attempt is the context of one attempt of a unary call that may be sent again. When the instance that it was
// sent to answers nothing any more, and there is another, the attempt is ended; [Attempt.Moved] then tells the
// caller that it is to be made anew.
//
// It costs a call six allocations of 144, and half a kilobyte. It is made for one attempt and not used again.
type Attempt struct {
	context.Context //nolint:containedctx // it is one
	cancel          context.CancelFunc
	moved           atomic.Bool

	// Guarded by the list that it is in.
	on         *attemptList
	prev, next *Attempt
}

// NewAttempt returns an attempt inside ctx. End must be called when it is over.
func NewAttempt(ctx context.Context) *Attempt {
	inside, cancel := context.WithCancel(ctx)
	return &Attempt{Context: inside, cancel: cancel}
}

// End lets go of what the attempt holds.
func (a *Attempt) End() { a.cancel() }

// Moved reports whether the attempt was ended because its instance answers nothing.
func (a *Attempt) Moved() bool { return a.moved.Load() }

// Value lets the picker find the attempt from contexts inside it.
func (a *Attempt) Value(key any) any {
	if key == (markKey{}) {
		return a
	}
	return a.Context.Value(key)
}

// attemptList is the attempts in flight on one connection.
type attemptList struct {
	mu    sync.Mutex
	first *Attempt
}

// add takes a in, unless it is in a list already.
func (l *attemptList) add(a *Attempt) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a.on != nil {
		return false
	}
	a.on, a.next = l, l.first
	if l.first != nil {
		l.first.prev = a
	}
	l.first = a
	return true
}

// remove takes a out, if it is still in.
func (l *attemptList) remove(a *Attempt) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a.on != l {
		return
	}
	if a.prev != nil {
		a.prev.next = a.next
	} else {
		l.first = a.next
	}
	if a.next != nil {
		a.next.prev = a.prev
	}
	a.on, a.prev, a.next = nil, nil, nil
}

// take empties the list into moving.
func (l *attemptList) take(moving []*Attempt) []*Attempt {
	l.mu.Lock()
	defer l.mu.Unlock()
	for a := l.first; a != nil; {
		next := a.next
		a.on, a.prev, a.next = nil, nil, nil
		moving = append(moving, a)
		a = next
	}
	l.first = nil
	return moving
}

// move ends the attempts, so that their callers make them anew.
func move(attempts []*Attempt) {
	for _, a := range attempts {
		a.moved.Store(true)
		a.cancel()
	}
}
