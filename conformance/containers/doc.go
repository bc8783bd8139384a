// Package containers upgrades, scales and drains a service that runs as containers of a real engine and registers in a
// real Consul, while callers count every call that fails. It has tests alone, and removes what it has made.
package containers
