// Package check runs health checks: TTL checks, which wait for a sign of life; probes, which ask at an interval over
// HTTP, TCP, UDP, gRPC or HTTP/2, or run a program; and alias checks, which follow others. A [Monitor] owns one
// goroutine per check, reports each result that may be news, and tells when an instance has been critical for too long.
//
// It keeps no catalog and registers nothing: what a result means for a service is decided by who is told, and so is
// whether programs may be run at all. Time is the time package's, so that tests may run it in a bubble of fake time.
package check
