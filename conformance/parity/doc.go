// Package parity sends the same sequences of requests to Panda's agent and to a real Consul and compares what both
// answer: status, headers and JSON. The table in docs/reference is what it found.
//
// A difference is either explained where the step is written or fails the test, and so does an explanation of a
// difference that is no more.
package parity
