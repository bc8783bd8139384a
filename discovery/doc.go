// Package discovery is the vocabulary in which a service is announced and found: an [Instance], its
// checks, a [Snapshot] of all instances of one service, and the [Registry] that keeps them.
//
// Programs normally never call a Registry: panda.NewService announces and panda.Dial watches. Call one
// directly to build a tool, or implement one to use Panda with a registry other than Consul; then run
// the suite in discoverytest over it.
//
// Implementations are in discovery/consul (any agent that speaks Consul's HTTP API) and
// discovery/inmemory (one process: tests and demonstrations). This package itself never opens a
// connection, starts a goroutine or reads a clock, and it imports the standard library alone.
package discovery
