// Package dnsapi answers DNS queries about the agent's catalog as Consul does: services, nodes and
// addresses below the domain "consul.", names of addresses in the reverse zones, and everything else by
// asking the recursors that it was given.
//
// A service's answer has only instances without a critical check, in random order, and as many as fit.
// The package reads the catalog and never changes it, never answers before what it read would survive a
// crash, and asks no other name server unless recursors are configured.
package dnsapi
