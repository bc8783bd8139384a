package p2c

import (
	"math/rand/v2"
	"time"
)

// Config tunes a [Pool]. Start from [Default]; the zero value is not usable.
type Config struct {
	// Decay is the time in which a latency peak falls to 1/e of its height.
	Decay time.Duration
	// SlowStart is the time in which the share of an endpoint that is new, or back, rises from a tenth to
	// all of its own. Among endpoints of the same age it has no effect. 0 turns it off.
	SlowStart time.Duration
	// Failures is how many calls must fail in a row to eject an endpoint. After the first of them
	// the endpoint is already avoided, for a second (EjectionBase when that is less) or until a call succeeds on it.
	Failures int
	// EjectionBase is the time of the first ejection; it doubles each time up to EjectionMax, and starts
	// anew once the endpoint has been back for longer than EjectionMax.
	EjectionBase, EjectionMax time.Duration
	// OutlierFactor ejects an endpoint whose latest calls all took longer than this many times the
	// median latency of the others, and longer than OutlierFloor. 0 turns it off.
	OutlierFactor float64
	OutlierFloor  time.Duration
	// Random returns evenly spread 64 bits; it is called by every Pick, from several goroutines.
	Random func() uint64
}

// Default returns the settings for a service whose instances are much alike.
func Default() Config {
	return Config{
		Decay:         10 * time.Second,
		SlowStart:     10 * time.Second,
		Failures:      3,
		EjectionBase:  time.Second,
		EjectionMax:   30 * time.Second,
		OutlierFactor: 10,
		OutlierFloor:  20 * time.Millisecond,
		Random:        rand.Uint64,
	}
}

const (
	// rampFloor is the share that slow start begins with.
	rampFloor = 0.1
	// outlierSamples is how many calls in a row must have been slow before an endpoint is judged, so that
	// one pause of its collector is not taken for a state.
	outlierSamples = 5
	// judgeEvery bounds how often an endpoint is compared with the others.
	judgeEvery = int64(100 * time.Millisecond)
	// probePatience is how long a probe may be under way before another one is sent: a stream
	// may never end.
	probePatience = int64(5 * time.Second)
	// absence is how long an endpoint must have been unready for a slow start when it is back. A
	// connection renewed at once is the same warm process.
	absence = int64(time.Second)
	// publishEvery bounds how often endpoints that become ready are taken in, where there are many.
	publishEvery = int64(5 * time.Millisecond)
	// publishAlways is the number of endpoints up to which each one is taken in at once.
	publishAlways = 64
)
