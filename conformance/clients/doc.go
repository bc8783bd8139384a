// Package clients runs programs of others against the embedded agent and against a real Consul: what they are told,
// and what they make of it, is to be the same. Its tests are all there is; nothing imports it, and it holds no
// client of its own.
package clients
