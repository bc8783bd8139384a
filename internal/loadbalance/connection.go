package loadbalance

import (
	"errors"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/connectivity"

	"github.com/pandakit/panda/internal/loadbalance/lifesign"
	"github.com/pandakit/panda/internal/loadbalance/p2c"
)

// growAt is the number of calls in flight on each of an instance's connections at which another is opened.
const growAt = 8

// identity is what makes an instance the same over updates: with it, it keeps its connections and statistics.
type identity struct{ id, address string }

// member is an instance that the policy keeps connections to.
type member struct {
	identity
	endpoint *p2c.Endpoint // its Value is the member

	// For the picker.
	ready atomic.Pointer[[]*connection] // those that take calls; never empty, nil when there is none
	spare atomic.Pointer[connection]    // to be opened when the ready ones are busy; nil when there is none
	last  atomic.Pointer[connection]    // the one that pick stays with; it may be ready no more

	// Guarded by policy.mu.
	connections []*connection // the first is always kept open
	err         error         // of the last attempt to connect; nil once it has worked
	lost        bool          // it was connected, and is not any more
	mute        bool          // it was silent last
	counted     bool          // as ready in the policy and its pool
}

// connection is one SubConn of a member.
type connection struct {
	subConn balancer.SubConn
	calls   atomic.Int32 // in flight
	heard   atomic.Int64 // the last sign of life while calls are in flight, or when the first of them began
	fresh   atomic.Bool  // a call was sent since it was asked for a sign of life
	excused atomic.Int64 // what calls took that began before tells nothing of the instance; 0 at first

	attempts lifesign.Attempts // those in flight that may be sent again

	// Guarded by policy.mu.
	state  connectivity.State
	probe  *probe        // under way; nil when none is
	silent bool          // it gives no sign of life
	asked  time.Duration // how long calls that take long are left alone until it is asked
}

// pick returns a connection to use, and opens another one when all are busy. It stays with the one it took
// last until that has growAt more calls in flight than another: calls made one after the other on one connection
// leave in one packet, while taking turns would give each a system call of its own.
func (m *member) pick() *connection {
	ready := m.ready.Load()
	if ready == nil {
		return nil
	}
	best, last := (*ready)[0], m.last.Load()
	stay := best == last
	for _, c := range (*ready)[1:] {
		stay = stay || c == last
		if c.calls.Load() < best.calls.Load() {
			best = c
		}
	}
	busy := best.calls.Load()
	if busy >= growAt {
		if spare := m.spare.Load(); spare != nil && m.spare.CompareAndSwap(spare, nil) {
			spare.subConn.Connect()
		}
	}
	if stay && last.calls.Load() < busy+growAt {
		return last
	}
	if best != last {
		m.last.Store(best)
	}
	return best
}

// refresh sets what the picker sees from the states of the connections, and reports whether any is ready.
func (m *member) refresh() bool {
	var ready []*connection
	var spare *connection
	for i, c := range m.connections {
		switch {
		case c.state == connectivity.Ready && !c.silent:
			ready = append(ready, c)
		case c.state == connectivity.Idle && i > 0 && spare == nil:
			spare = c
		}
	}
	m.spare.Store(spare)
	if ready == nil {
		m.ready.Store(nil)
		return false
	}
	m.ready.Store(&ready)
	return true
}

// changed takes a new state of c, and reports whether the member is ready now.
func (m *member) changed(c *connection, s balancer.SubConnState) bool {
	was := m.counted
	if c.state != s.ConnectivityState {
		c.forget()
	}
	c.state = s.ConnectivityState
	ready := m.refresh()
	switch {
	case ready:
		m.err, m.lost, m.mute = nil, false, false
	case was:
		m.lost = true
	}
	if s.ConnectionError != nil && !ready {
		m.err = s.ConnectionError
	}
	if c.state == connectivity.Idle && c == m.connections[0] {
		c.subConn.Connect()
	}
	return ready
}

// refusal says why the member is not connected, "" when it is, or has not been tried to the end.
func (m *member) refusal() string {
	switch {
	case m.ready.Load() != nil:
		return ""
	case m.err != nil:
		return connectionReason(m.err)
	case m.mute:
		return "it answers nothing"
	case m.lost:
		return "connection lost"
	}
	return ""
}

// connectionReason returns the part of a connection error that matters to people: "connection refused" rather
// than the five layers around it.
func connectionReason(err error) string {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno.Error()
	}
	if errors.Is(err, os.ErrDeadlineExceeded) || isTimeout(err) {
		return "no answer in time"
	}
	text := err.Error()
	for _, layer := range []string{`connection error: desc = "`, "transport: ", "Error while dialing: ", "authentication handshake failed: "} {
		text = strings.TrimPrefix(text, layer)
	}
	return strings.TrimSuffix(text, `"`)
}

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return ok && timeout.Timeout()
}

// ejectionReason says why an instance is ejected, for people.
func ejectionReason(e p2c.Ejection, now int64) string {
	var why string
	if e.Failures > 0 {
		why = plural(e.Failures, "consecutive UNAVAILABLE")
	} else {
		why = "calls took " + round(e.Latency) + ", those of the others " + round(e.Others)
	}
	wait := time.Duration(e.Until - now)
	if wait <= 0 {
		return "ejected: " + why + ", being probed"
	}
	return "ejected: " + why + ", probed again in " + round(wait)
}
