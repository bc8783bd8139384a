package ui

import (
	"time"

	"github.com/pandakit/panda/internal/agent/catalog"
)

// KV is the key/value store as the pages need it. All methods may be called from several goroutines at once and do
// not block, but for Put and Delete while another write is under way.
type KV interface {
	// Get returns the pair of exactly that key, or nil. It must not be changed.
	Get(v catalog.View, key string) *Pair
	// List returns, in byte order, what begins with prefix and comes after the key or folder after, at most limit of
	// it. Keys which go on after the first separator behind the prefix are one entry together: a folder.
	List(v catalog.View, prefix, separator, after string, limit int) []Entry
	// Sessions returns all sessions.
	Sessions(v catalog.View) []Session
	// PrefixMark tells when a key that begins with the prefix last changed; SessionsMark the same of sessions.
	PrefixMark(v catalog.View, prefix string) catalog.Mark
	SessionsMark(v catalog.View) catalog.Mark

	// Put stores the value and flags when the key's ModifyIndex still is index, 0 for a key that must not exist, and
	// reports whether it did. A session that holds the key keeps it.
	Put(key string, value []byte, flags, index uint64) (bool, error)
	// Delete removes the key when its ModifyIndex still is index, and reports whether it did.
	Delete(key string, index uint64) (bool, error)
}

// Pair is a key and its value.
type Pair struct {
	Key         string
	Value       []byte
	Flags       uint64
	Session     string // that holds the key as a lock; "" when none does
	LockIndex   uint64 // how often it was locked
	CreateIndex uint64
	ModifyIndex uint64
}

// Entry is a line of a listing.
type Entry struct {
	Key     string // whole, or a folder's prefix up to and with the separator
	Folder  bool   // the rest is for keys only
	Size    int    // of the value, in bytes
	Session string
}

// Session is a session and the keys that it holds.
type Session struct {
	ID, Name, Node, TTL, Behavior string
	LockDelay                     time.Duration // how long its keys stay closed to others after it is lost
	Checks, Keys                  []string
}
