package panda

import (
	"maps"
	"net/http"
)

// SilentOverHTTP returns the number of instances that get no request of the client's because they answer nothing.
func SilentOverHTTP(client *http.Client) (n int) {
	t := client.Transport.(*byName)
	t.mu.Lock()
	groups := maps.Clone(t.groups)
	t.mu.Unlock()
	for _, g := range groups {
		n += g.silent()
	}
	return n
}

// SilentOverRPC is the same for net/rpc.
func SilentOverRPC(client *RPCClient) int { return client.group.silent() }

func (g *group) silent() (n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, e := range g.endpoints {
		if endpointOf(e).life.Silent() {
			n++
		}
	}
	return n
}
