package cluster

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/pandakit/panda/internal/netns"
)

// Status is how a cluster is.
type Status struct {
	Consul string       `json:"consul"` // the version
	Leader string       `json:"leader"` // a node's name; "" when there is none
	Data   string       `json:"data"`
	CA     string       `json:"ca,omitempty"`     // a file, with TLS
	Tokens string       `json:"tokens,omitempty"` // the folder with the files "management" and "reader", with ACL
	Lab    string       `json:"lab,omitempty"`    // the name of the network, with namespaces
	Nodes  []NodeStatus `json:"nodes"`
}

// NodeStatus is how a node is.
type NodeStatus struct {
	Name    string   `json:"name"`
	Role    string   `json:"role"` // server or client
	Address string   `json:"address"`
	HTTP    string   `json:"http"`
	DNS     string   `json:"dns"`
	State   State    `json:"state"`
	Member  string   `json:"member"` // as others see it: alive, failed, left; "" when there is nobody to ask
	PID     int      `json:"pid,omitempty"`
	CutOff  []string `json:"cut_off,omitempty"` // from these
	Delay   string   `json:"delay,omitempty"`
	Loss    float64  `json:"loss,omitempty"`
	Log     string   `json:"log"`
	Command []string `json:"command"` // the arguments of consul
}

// Status asks the nodes that run. It answers also when the cluster does not.
func (c *Cluster) Status(ctx context.Context) Status {
	s := Status{Consul: c.Version(), Leader: c.Leader(ctx), Data: c.cfg.Folder, CA: c.CAFile()}
	if c.cfg.ACL {
		s.Tokens = filepath.Join(c.cfg.Folder, "tokens")
	}
	var cuts [][2]string
	links := map[string]netns.Link{}
	if c.cfg.Lab != nil {
		s.Lab = c.cfg.Lab.Name()
		cuts, _ = c.cfg.Lab.Cuts() // it fails when the lab is being removed
		links = c.cfg.Lab.Links()
	}
	seen := c.seen(ctx, s.Leader)
	for _, n := range c.nodes {
		node := NodeStatus{
			Name: n.Name, Role: n.role(), Address: n.Address.String(), HTTP: n.URL(), DNS: n.DNS(), Member: seen[n.Name],
			Log: c.logOf(n), Command: n.Arguments,
		}
		node.State, node.PID = c.process(n)
		for _, pair := range cuts {
			if pair[0] == n.Name {
				node.CutOff = append(node.CutOff, pair[1])
			} else if pair[1] == n.Name {
				node.CutOff = append(node.CutOff, pair[0])
			}
		}
		if link, bad := links[n.Name]; bad {
			node.Delay, node.Loss = link.Delay.String(), link.Loss
		}
		s.Nodes = append(s.Nodes, node)
	}
	return s
}

// logOf returns the file that the node writes its log to: Consul puts the time into its name.
func (c *Cluster) logOf(n *Node) string {
	entries, err := os.ReadDir(n.Folder)
	if err != nil {
		return n.Log()
	}
	latest := n.Log()
	for _, e := range entries { // in the order of their names
		if strings.HasPrefix(e.Name(), "consul-") && strings.HasSuffix(e.Name(), ".log") {
			latest = filepath.Join(n.Folder, e.Name())
		}
	}
	return latest
}

func (c *Cluster) process(n *Node) (State, int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.members[n.Name]
	switch {
	case m == nil:
		return Dead, 0
	case m.state == Running || m.state == Frozen:
		return m.state, m.process.PID()
	}
	return m.state, 0
}

// seen returns the members as the leader sees them, else as the first that answers does.
func (c *Cluster) seen(ctx context.Context, leader string) map[string]string {
	if seen, err := c.Members(ctx, leader); err == nil {
		return seen
	}
	for _, n := range c.living() {
		if seen, err := c.seenBy(ctx, n); err == nil {
			return seen
		}
	}
	return nil
}

// PIDs returns the process of each node that has one.
func (c *Cluster) PIDs() []int {
	var pids []int
	for _, n := range c.nodes {
		if _, pid := c.process(n); pid > 0 {
			pids = append(pids, pid)
		}
	}
	return pids
}
