package loadbalance

import (
	"context"

	"github.com/pandakit/panda/internal/loadbalance/lifesign"
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
	taking          lifesign.Attempt
}

// NewAttempt returns an attempt inside ctx. End must be called when it is over.
func NewAttempt(ctx context.Context) *Attempt {
	inside, cancel := context.WithCancel(ctx)
	a := &Attempt{Context: inside}
	a.taking.Cancel = cancel
	return a
}

// End lets go of what the attempt holds.
func (a *Attempt) End() { a.taking.Cancel() }

// Moved reports whether the attempt was ended because its instance answers nothing.
func (a *Attempt) Moved() bool { return a.taking.Moved() }

// Value lets the picker find the attempt from contexts inside it.
func (a *Attempt) Value(key any) any {
	if key == (markKey{}) {
		return a
	}
	return a.Context.Value(key)
}
