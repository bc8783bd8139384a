// Package cluster drills a real Consul cluster of several hosts, which are network namespaces of this machine: hosts are
// lost, frozen, cut off and brought back while callers on one of them count what fails. It holds the records of the load and what
// they tell; the drills are its tests, and docs/reference/drills.md is made of them. It never judges a time: times are
// told, and counts are asserted.
package cluster
