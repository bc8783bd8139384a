// Package cluster runs a real Consul cluster on this one machine: servers and client agents with the arguments of three
// machines, each on an address, a port or a network namespace of its own, that can be killed, frozen, cut off and brought
// back. It is for learning and for tests: it never joins agents on other machines, never installs a Consul, and gives no
// node to the network that the machine is in.
package cluster

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"regexp"
	"time"

	"github.com/pandakit/panda/internal/netns"
)

// Bounds of a cluster.
const (
	MaxServers = 7 // each write waits for most of them
	MaxNodes   = 50
	maxOnPorts = 10 // beyond, the ports of one node would be another's
)

// Datacenter is the datacenter that all nodes are in: Consul's own default.
const Datacenter = "dc1"

// Config says what to run.
type Config struct {
	Binary string // of a real Consul, 1.12 or later
	Folder string // for data, configuration, logs and secrets; absolute. It is made, for this user alone, if it is not there
	// Environ is the environment of the nodes. Consul's own variables in it are left out.
	Environ []string

	Servers int // 1 to 7; with fewer than three the loss of one ends all writes
	Clients int // 0 and up; there may be 50 nodes in all

	// Lab makes each node a host of its own: it has hosts of the names that [Names] gives. It is the caller's, who closes it
	// after the cluster. Without one, nodes are on this machine's loopback interface.
	Lab *netns.Lab
	// Loopback is the network of loopback from which nodes take their addresses, 127.0.1.0/24 when it is zero.
	Loopback netip.Prefix
	// Ports puts all nodes on 127.0.0.1, and those of the first on this port and up: for systems whose loopback interface has one
	// address. The first has its server on this port, HTTP 200 and DNS 300 above it; each further node's are 10 higher. At most
	// 10 nodes. 0: each node has an address of its own, and Consul's usual ports.
	Ports int

	ACL    bool // deny what no token allows
	Gossip bool // encrypt what nodes tell each other about members
	TLS    bool // encrypt and authenticate calls between nodes, and serve HTTPS in place of HTTP

	// RaftMultiplier scales the times after which a leader is given up. Consul's own default of 5 is for small machines; 1,
	// which it recommends for production, is what 0 means here.
	RaftMultiplier int

	// Observe is told, in a few words, what becomes of nodes, from several goroutines; nil: nobody is.
	Observe func(node, what string)
}

// DefaultPorts is Consul's own port of a server, and the usual value of Config.Ports.
const DefaultPorts = 8300

// Times within which things must happen.
const (
	readyTimeout   = 60 * time.Second // of a whole cluster
	stopGrace      = 5 * time.Second  // of a process that was asked to end
	leaveTimeout   = 30 * time.Second
	requestTimeout = 5 * time.Second
	pollInterval   = 50 * time.Millisecond
)

// Names returns the names of the nodes, as the course has them: servers first.
func Names(servers, clients int) []string {
	names := make([]string, 0, servers+clients)
	for i := range servers + clients {
		names = append(names, fmt.Sprintf("n%d", i+1))
	}
	return names
}

var absolutePath = regexp.MustCompile(`^[^\x00-\x1f]+$`)

func (c *Config) check() error {
	switch {
	case c.Servers < 1 || c.Servers > MaxServers:
		return fmt.Errorf("%d servers; a cluster has 1 to %d, and 3 survive the loss of one", c.Servers, MaxServers)
	case c.Clients < 0 || c.Servers+c.Clients > MaxNodes:
		return fmt.Errorf("%d servers and %d clients; a cluster has at most %d nodes", c.Servers, c.Clients, MaxNodes)
	case c.Ports != 0 && c.Servers+c.Clients > maxOnPorts:
		return fmt.Errorf("%d nodes; at most %d have room on the ports of one address", c.Servers+c.Clients, maxOnPorts)
	case c.Ports < 0 || c.Ports > 1<<16-1-300-10*maxOnPorts:
		return fmt.Errorf("port %d leaves no room for those of all nodes", c.Ports)
	case !filepath.IsAbs(c.Folder) || !absolutePath.MatchString(c.Folder):
		return fmt.Errorf("folder %q is not an absolute path", c.Folder)
	case c.Loopback.IsValid() && (!c.Loopback.Addr().Is4() || !c.Loopback.Addr().IsLoopback() || c.Loopback.Bits() > 24):
		return fmt.Errorf("%v is no network of loopback with 256 addresses", c.Loopback)
	case c.RaftMultiplier < 0 || c.RaftMultiplier > 10:
		return fmt.Errorf("raft multiplier %d is not within 1 and 10", c.RaftMultiplier)
	}
	if c.Lab != nil {
		for _, name := range Names(c.Servers, c.Clients) {
			if !c.Lab.Address(name).IsValid() {
				return fmt.Errorf("network %s has no host %s", c.Lab.Name(), name)
			}
		}
	}
	return nil
}
