package cluster

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"
)

func (n *Node) rpc() string {
	return net.JoinHostPort(n.Address.String(), strconv.Itoa(n.Ports.Server))
}

// BusyError says that an address which a node needs cannot be listened at.
type BusyError struct {
	Node, Address string
	Err           error
}

func (e *BusyError) Error() string {
	reason := e.Err.Error()
	if errors.Is(e.Err, syscall.EADDRINUSE) || strings.Contains(reason, "in use") || strings.Contains(reason, "Only one usage") {
		reason = "in use by another program"
	}
	return fmt.Sprintf("node %s cannot listen at %s: %s", e.Node, e.Address, reason)
}

func (e *BusyError) Unwrap() error { return e.Err }

// checkFree returns a *[BusyError] when another program has an address of a node. It reserves nothing: a node whose address
// is taken a moment later ends as it starts, which is told as well.
func (c *Cluster) checkFree() error {
	for _, n := range c.nodes {
		if err := n.checkFree(); err != nil {
			return err
		}
	}
	return nil
}

func (n *Node) checkFree() error {
	ports := []int{n.Ports.SerfLAN, max(n.Ports.HTTP, n.Ports.HTTPS), n.Ports.DNS}
	if n.Server {
		ports = append(ports, n.Ports.Server, n.Ports.SerfWAN)
	}
	for _, port := range ports {
		address := net.JoinHostPort(n.Address.String(), strconv.Itoa(port))
		stream, err := net.Listen("tcp", address)
		if err != nil {
			return &BusyError{n.Name, address, cause(err)}
		}
		_ = stream.Close() // nobody has connected
		packets, err := net.ListenPacket("udp", address)
		if err != nil {
			return &BusyError{n.Name, address, cause(err)}
		}
		_ = packets.Close()
	}
	return nil
}

// cause strips what the text around it says.
func cause(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err
	}
	return err
}

// withoutConsul keeps the user's own settings of Consul from the nodes.
func withoutConsul(environ []string) []string {
	kept := make([]string, 0, len(environ))
	for _, variable := range environ {
		if !strings.HasPrefix(variable, "CONSUL_") {
			kept = append(kept, variable)
		}
	}
	return kept
}
