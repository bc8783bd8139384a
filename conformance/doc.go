// Package conformance holds Panda to a real Consul, which it builds: the same cases run against Panda's own
// agent and against Consul, so that neither can drift from the other. It has tests alone, in a module of its
// own, so that what they need is no dependency of Panda.
package conformance
