package consul

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/hashicorp/consul/api"
)

var errNoNode = errors.New("the agent tells neither its own address nor one of the servers'")

// Node returns an address at which the agents of other machines reach the one that is asked, or, where its token may not
// read that, the address of a server that it is in touch with. It is loopback only where nothing of the registry can be
// reached from another machine. A service tells from it, when the registry is asked on loopback, whether there are others
// to be reached by. It asks the agents in turn until one answers.
func (r *Registry) Node(ctx context.Context) (string, error) {
	r.begin()
	defer r.end()
	failures := make(outage, 0, len(r.agents))
	first := int(r.preferred.Load())
	for i := range r.agents {
		address, err := ask(ctx, r.agents[(first+i)%len(r.agents)], queryTimeout, nodeAddress)
		if err == nil {
			return address, nil
		}
		failures = append(failures, err)
	}
	return "", fmt.Errorf("ask %s for its address: %w", r, failures)
}

// nodeAddress asks for what needs agent:read, and where that is refused for what needs no token.
func nodeAddress(ctx context.Context, a *agent) (string, error) {
	address, err := a.self(ctx)
	if !answered(err, http.StatusForbidden) && (err != nil || address != "") {
		return address, err
	}
	peers, err := a.peers(ctx)
	if err != nil {
		return "", err
	}
	hosts := make([]string, 0, len(peers))
	for _, peer := range peers {
		if host, _, err := net.SplitHostPort(peer); err == nil {
			hosts = append(hosts, host)
		}
	}
	if len(hosts) == 0 {
		return "", errNoNode
	}
	slices.SortStableFunc(hosts, func(a, b string) int { return loopbackLast(a) - loopbackLast(b) })
	return hosts[0], nil
}

func loopbackLast(host string) int {
	if ip := net.ParseIP(host); ip != nil && ip.IsLoopback() {
		return 1
	}
	return 0
}

// selfAnswer is the part of an agent's description of itself that is used.
type selfAnswer struct {
	Member struct{ Addr string }
}

// askSelf asks for the address that the agent's node has in its cluster. The API's own method takes no context.
func askSelf(client *api.Client, options *api.QueryOptions) (string, error) {
	var self selfAnswer
	if _, err := client.Raw().Query("/v1/agent/self", &self, options); err != nil {
		return "", err //nolint:wrapcheck // ask does
	}
	return strings.TrimSpace(self.Member.Addr), nil
}
