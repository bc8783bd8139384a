package consul

// Addresses returns where the agents are asked, in the order of Config.Addresses: host:port,
// or unix:// and a path. A service uses it to tell from which of its own addresses the registry's side can be reached.
func (r *Registry) Addresses() []string {
	addresses := make([]string, 0, len(r.agents))
	for _, a := range r.agents {
		addresses = append(addresses, a.name)
	}
	return addresses
}
