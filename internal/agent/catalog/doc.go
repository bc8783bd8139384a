// Package catalog is the state of the embedded agent: nodes, service instances and checks, sessions and
// the KV store, under one index that rises with every change, as Consul's does.
//
// A reader takes a [View], which shows one moment and never changes, and a [Mark] of the [Topic] it
// cares for: the index at which that topic last changed and a channel that closes when it does again.
// A writer passes a function to [Catalog.Write]; all it does becomes visible at once, under one index,
// or not at all, and a write that leaves everything as it was raises no index and wakes nobody.
//
// The package is state only: it opens no socket, starts no goroutine, reads no clock but the one it is
// given, and never decides what is healthy. A further kind of state is a further table in schema.go,
// methods on [Writer] and [View], and topics.
package catalog
