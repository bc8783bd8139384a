// Package child is the harness's half of a measured process: it answers over standard input and output
// what the process has used, and in a client it makes calls in a closed loop. It uses the standard
// library alone, knows no stack, and never outlives the harness: when standard input ends, so does the
// process.
package child

import "time"

// Prefix starts each line of standard output that is a [Reply]; other lines are a stack's own log.
const Prefix = "bench "

// Greeting is the payload of every call, both ways: 16 bytes.
const Greeting = "panda-bench-call"

// The operations that a process takes, one JSON object a line.
const (
	OpUsage = "usage" // what the process has used until now
	OpLoad  = "load"  // clients only: make calls
	OpStop  = "stop"  // end, as the end of standard input does
)

// Request is one line of standard input.
type Request struct {
	Op   string
	Load Load `json:",omitzero"`
}

// Load is what a client is to do: so many callers, each making its next call when the last one is
// answered, until the time or the number of calls is up.
type Load struct {
	Callers  int           // 1 to 10,000
	For      time.Duration // over 0, at most a minute
	MaxCalls int           // 1 to a billion, shared out among the callers
}

// Reply is one line of standard output.
type Reply struct {
	Error string `json:",omitempty"`
	Ready bool   `json:",omitempty"` // the first line of a client: its first call has been answered
	Usage Usage  `json:",omitzero"`  // over the process's life; for a load, over the load
	Done  Done   `json:",omitzero"`
}

// Usage is what a process has used. A number that the platform does not tell is zero.
type Usage struct {
	Mallocs  uint64        // heap objects allocated
	CPU      time.Duration // user and system
	Resident uint64        // bytes of memory in use; not for a load
	Private  uint64        // those of them that are not pages of files, such as the program's own
}

// Done is what a load came to.
type Done struct {
	Calls    uint64        // all that were answered
	InTime   uint64        // those of them answered before the time was up
	Elapsed  time.Duration // until the time was up, or the calls
	P50, P99 time.Duration
}
