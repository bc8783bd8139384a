// Package drill kills, restarts and stops parts of a running system of services while callers count what
// fails. Its tests are the product's promises under failure, each kept against the embedded agent and
// against a real Consul. It holds the load and the processes; it never talks to a registry itself.
package drill
