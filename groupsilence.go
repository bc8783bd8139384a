package panda

import (
	"context"
	"errors"
	"time"

	"github.com/pandakit/panda/internal/loadbalance/lifesign"
)

// errSilent is why an attempt was taken back, and why an instance gets no call.
var errSilent = errors.New("it answers nothing")

// Latency implements lifesign.Host.
func (e *groupEndpoint) Latency() time.Duration { return e.pooled.Latency() }

// Ask implements lifesign.Host.
func (e *groupEndpoint) Ask(ctx context.Context) lifesign.Answer {
	answer := e.group.question(e.instance).Ask(ctx)
	if answer == lifesign.Refused {
		e.Quiet() // calls find out why
	}
	return answer
}

// Quiet implements lifesign.Host.
func (e *groupEndpoint) Quiet() { e.group.pool.Avoid(e.pooled, e.group.now()) }

// Turned implements lifesign.Host.
func (e *groupEndpoint) Turned() {
	silent := e.life.Silent()
	e.group.turn(e)
	if silent && e.group.silenced != nil { // now that calls go elsewhere
		e.group.silenced(e.pooled)
	}
}

// turn takes an instance out of use, or back.
func (g *group) turn(e *groupEndpoint) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if e.hasLeft() {
		return
	}
	g.pool.SetReady(e.pooled, !e.life.Silent(), g.now())
	g.change()
}

// movable lets the attempt be taken back when its instance answers nothing any more and there is another, and returns
// the context of what it does. takenBack and release have to follow.
func (a *attempt) movable(ctx context.Context) context.Context {
	inside, cancel := context.WithCancel(ctx)
	a.taking.Cancel = cancel
	endpointOf(a.endpoint).life.Movable(&a.taking)
	return inside
}

// takenBack ends what movable began, but for its context, and reports whether the attempt is to be made anew.
func (a *attempt) takenBack() bool {
	if a.taking.Cancel == nil {
		return false
	}
	endpointOf(a.endpoint).life.Stay(&a.taking)
	return a.taking.Moved()
}

// release lets go of the context that movable made.
func (a *attempt) release() {
	if a.taking.Cancel != nil {
		a.taking.Cancel()
	}
}
