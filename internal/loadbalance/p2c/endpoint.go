package p2c

import (
	"math"
	"sync/atomic"
	"time"
)

// Kind tells calls apart by what their duration means.
type Kind uint8

const (
	// Call has a duration that tells how fast the endpoint is.
	Call Kind = iota
	// Stream lives as long as its user wants: its duration is no sample, and it is balanced by the number of streams.
	Stream
)

// Outcome is what the end of a call tells about the endpoint.
type Outcome uint8

const (
	// Succeeded: the endpoint has answered, be it with an error of the application.
	Succeeded Outcome = iota
	// Late: the deadline ended the call. It took at least that long, and it is no sign of life.
	Late
	// Failed: the connection broke, or the endpoint said that it cannot serve.
	Failed
	// Avoided: the endpoint did not take the call, which says nothing about its health. It is avoided for
	// a while, as after a failure, but this does not count towards ejection.
	Avoided
	// Ignored: the caller gave up, or the call never went out.
	Ignored
)

// Endpoint is one instance and what is known of it. It keeps that over any number of [Pool.Replace], and
// belongs to one pool.
type Endpoint struct {
	// Value is the user's own; the pool never looks at it.
	Value any

	latency peak
	calls   atomic.Int32 // in flight
	streams atomic.Int32 // in flight
	since   atomic.Int64 // when its slow start began

	failures   atomic.Int32 // in a row
	avoidUntil atomic.Int64 // 0 when it need not be avoided

	slow    atomic.Int32 // samples in a row above the outlier floor
	fastest atomic.Int64 // the smallest of them

	ejected   atomic.Bool
	ejectedAt atomic.Int64

	// Guarded by Pool.mu.
	member, ready bool
	weight        float64
	distance      int
	lostAt        int64
	ejection      Ejection
	level         int   // doublings of the ejection time
	readmittedAt  int64 // 0 when it was never ejected
	probeSince    int64 // 0 when no probe is under way
}

// NewEndpoint returns an endpoint about which nothing is known.
func NewEndpoint(value any) *Endpoint {
	e := &Endpoint{Value: value}
	e.fastest.Store(math.MaxInt64)
	return e
}

// InFlight returns the number of calls of the kind under way.
func (e *Endpoint) InFlight(kind Kind) int { return int(e.counter(kind).Load()) }

// Latency returns the moving average of what calls take as the last one left it, 0 while there is none.
func (e *Endpoint) Latency() time.Duration { return time.Duration(e.latency.last()) }

func (e *Endpoint) counter(kind Kind) *atomic.Int32 {
	if kind == Stream {
		return &e.streams
	}
	return &e.calls
}

func (e *Endpoint) avoided(now int64) bool {
	until := e.avoidUntil.Load()
	return until != 0 && now < until
}

// ramp returns the part of its share that the endpoint has reached in its slow start.
func (e *Endpoint) ramp(now int64, window float64) float64 {
	age := float64(now - e.since.Load())
	if age >= window {
		return 1
	}
	return max(age/window, rampFloor)
}

// sample takes the duration of a call that was answered, and reports whether it is time to judge
// whether the endpoint is an outlier.
func (e *Endpoint) sample(duration, now int64, decay float64, floor int64) bool {
	e.latency.observe(float64(duration), now, decay)
	if duration <= floor {
		if e.slow.Load() != 0 {
			e.resetSlow()
		}
		return false
	}
	for {
		fastest := e.fastest.Load()
		if duration >= fastest || e.fastest.CompareAndSwap(fastest, duration) {
			break
		}
	}
	return e.slow.Add(1) >= outlierSamples
}

func (e *Endpoint) resetSlow() {
	e.slow.Store(0)
	e.fastest.Store(math.MaxInt64)
}

// forgive forgets failures that a success has outdated.
func (e *Endpoint) forgive() {
	if e.failures.Load() != 0 {
		e.failures.Store(0)
	}
	if e.avoidUntil.Load() != 0 {
		e.avoidUntil.Store(0)
	}
}
