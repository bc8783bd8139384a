package consulwire

// KVPair is a key of the KV store with its value, as /v1/kv/ shows it.
type KVPair struct {
	LockIndex   uint64 // how often the key was locked
	Key         string
	Flags       uint64
	Value       []byte // base64 in JSON; null when empty
	Session     string `json:",omitempty"` // that holds the lock
	CreateIndex uint64
	ModifyIndex uint64
}
