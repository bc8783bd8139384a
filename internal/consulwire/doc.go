// Package consulwire holds the request and answer types of Consul's HTTP API as the embedded agent
// speaks it: field names, their order, what is left out when empty, and the several spellings that
// requests may use. The shapes are those of Consul 1.12, plus the fields of newer clients.
//
// It has no behaviour but JSON encoding and decoding. It never validates what a value means, opens a
// connection or keeps state: that is for the agent.
package consulwire
