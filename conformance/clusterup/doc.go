// Package clusterup runs clusters of the real Consul on this machine, as "panda cluster" does: on loopback, on network
// namespaces and in containers. The tests are all there is to it.
package clusterup
