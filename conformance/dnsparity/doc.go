// Package dnsparity sends the same DNS queries to Panda's agent and to a real Consul, over one catalog, and compares
// what both answer: code, flags, question, sections, TTLs, EDNS and size.
//
// A difference is either explained where the query is written or fails the test, and so does an explanation of a
// difference that is no more.
package dnsparity
