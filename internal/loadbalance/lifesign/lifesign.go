// Package lifesign tells a host that has vanished or stands still from one that takes its time: both say nothing, but
// only the one that lives answers when it is asked for a sign of life.
//
// It has what all of Panda's clients share: the times, the lists of attempts that can be taken back, and, for
// protocols whose connections are not gRPC's, a [Watchman] that looks after a service's instances and a [Question] that is put
// to an HTTP or net/rpc server. gRPC's own policy, package loadbalance above, asks on its own connections.
//
// The package never chooses an instance and never sends a call.
package lifesign

import "time"

// From the last sign of life to silence it takes at most suspicionLeast + ProbeTime and two looks, which is 0.8 s, where
// calls take up to 67 ms.
const (
	// LookEvery is how often is looked while calls are in flight.
	LookEvery = 50 * time.Millisecond
	// RestEvery is how often is looked while there is nothing but calls that take long, and no new one.
	RestEvery = time.Second
	// suspicionPeaks times what its calls take an instance may be quiet until it is asked, within the two bounds.
	suspicionPeaks = 3
	suspicionLeast = 200 * time.Millisecond
	suspicionMost  = time.Second
	// ProbeTime is how long a sign of life may take: twice a round trip around the earth, or one with a packet lost.
	ProbeTime = 500 * time.Millisecond
	// LookLate is how late a look may come. One that comes later tells that this process was held up, and that
	// what arrived meanwhile may not have been read yet.
	LookLate = 200 * time.Millisecond
	// AskLeast is how long calls that just take long are left alone after a sign of life. It doubles up to askMost,
	// and counts only while no new call is sent.
	AskLeast = time.Second
	askMost  = 8 * time.Second
)

// Patience is how long an instance whose calls take latency may be quiet until it is asked.
func Patience(latency time.Duration) time.Duration {
	return min(max(suspicionPeaks*latency, suspicionLeast), suspicionMost)
}

// Rarer is how long calls that take long are left alone after a sign of life, when it was asked the last time.
func Rarer(asked time.Duration) time.Duration {
	return min(max(2*asked, AskLeast), askMost)
}
