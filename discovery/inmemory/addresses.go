package inmemory

// Addresses returns none: the registry is in this process, so its services need to be reached only here.
func (r *Registry) Addresses() []string { return nil }
