// Package examplecluster runs the script of examples/cluster on a real container engine, with a real Consul that is packed
// from source, and reads what it says at the end. It has no code but tests.
package examplecluster
