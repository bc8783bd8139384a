package lifesign

import (
	"context"
	"sync"
	"sync/atomic"
)

// Attempt is one attempt of a call that may be sent again. When what it was sent to answers nothing any more, and there is
// another instance, [Move] ends it, and [Attempt.Moved] then tells the caller that it is to be made anew. It is made for one
// attempt and not used again.
type Attempt struct {
	// Cancel ends the attempt's context. It may be called twice.
	Cancel context.CancelFunc

	moved atomic.Bool

	// Guarded by the list that it is in.
	on         *Attempts
	prev, next *Attempt
}

// Moved reports whether the attempt was taken back because its instance answers nothing.
func (a *Attempt) Moved() bool { return a.moved.Load() }

// Attempts is a list of attempts in flight. The zero value is empty; all methods may be called from several goroutines at
// once.
type Attempts struct {
	mu    sync.Mutex
	first *Attempt
}

// Add takes a in, and reports false when it is in a list already.
func (l *Attempts) Add(a *Attempt) bool {
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

// Remove takes a out, if it is still in. After that Take cannot get it.
func (l *Attempts) Remove(a *Attempt) {
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

// Take empties the list into moving, which has to be given to [Move].
func (l *Attempts) Take(moving []*Attempt) []*Attempt {
	l.mu.Lock()
	defer l.mu.Unlock()
	for a := l.first; a != nil; {
		next := a.next
		a.on, a.prev, a.next = nil, nil, nil
		a.moved.Store(true)
		moving = append(moving, a)
		a = next
	}
	l.first = nil
	return moving
}

// Move ends attempts that were taken, so that their callers make them anew.
func Move(attempts []*Attempt) {
	for _, a := range attempts {
		a.Cancel()
	}
}
