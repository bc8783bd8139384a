package inmemory

// Hosts returns none: the registry is in this process, so its services need to be reached only here.
func (*Registry) Hosts() []string { return nil }
