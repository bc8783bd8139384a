package cluster

import (
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
)

// Node is one agent as it is planned.
type Node struct {
	Name    string
	Server  bool
	Address netip.Addr
	Ports   Ports
	Folder  string // with data, config and log

	Arguments []string // of Consul
	settings  map[string]any
}

// Ports are where a node listens. HTTP or HTTPS is -1, which is none.
type Ports struct{ Server, SerfLAN, SerfWAN, HTTP, HTTPS, DNS int }

// The distances from a node's first port, and from one node's to the next one's, when all are on one address. They are those
// between Consul's usual ports.
const (
	serfLANOffset = 1
	serfWANOffset = 2
	httpOffset    = 200
	httpsOffset   = 201
	dnsOffset     = 300
	nodeOffset    = 10
)

func portsFrom(base int, tls bool) Ports {
	p := Ports{base, base + serfLANOffset, base + serfWANOffset, base + httpOffset, -1, base + dnsOffset}
	if tls {
		p.HTTP, p.HTTPS = -1, base+httpsOffset
	}
	return p
}

// API returns the host and port of the node's HTTP API.
func (n *Node) API() string {
	return net.JoinHostPort(n.Address.String(), strconv.Itoa(max(n.Ports.HTTP, n.Ports.HTTPS)))
}

// URL returns the address of the node's HTTP API, as CONSUL_HTTP_ADDR takes it.
func (n *Node) URL() string {
	if n.Ports.HTTPS > 0 {
		return "https://" + n.API()
	}
	return "http://" + n.API()
}

// DNS returns the host and port on which the node answers DNS queries.
func (n *Node) DNS() string { return net.JoinHostPort(n.Address.String(), strconv.Itoa(n.Ports.DNS)) }

// Log returns the file with the node's log.
func (n *Node) Log() string { return filepath.Join(n.Folder, "consul.log") }

func (n *Node) data() string   { return filepath.Join(n.Folder, "data") }
func (n *Node) config() string { return filepath.Join(n.Folder, "config") }

// role returns what the node is, in Consul's word.
func (n *Node) role() string {
	if n.Server {
		return "server"
	}
	return "client"
}

// plan returns the nodes of a cluster. It reads and writes nothing.
func plan(cfg Config, keys secrets, version release) []*Node {
	var nodes []*Node
	for i, name := range Names(cfg.Servers, cfg.Clients) {
		n := &Node{Name: name, Server: i < cfg.Servers, Folder: filepath.Join(cfg.Folder, name), Ports: portsFrom(DefaultPorts, cfg.TLS)}
		switch {
		case cfg.Lab != nil:
			n.Address = cfg.Lab.Address(name)
		case cfg.Ports != 0:
			n.Address, n.Ports = netip.AddrFrom4([4]byte{127, 0, 0, 1}), portsFrom(cfg.Ports+i*nodeOffset, cfg.TLS)
		default:
			n.Address = loopback(cfg.Loopback, i+1)
		}
		nodes = append(nodes, n)
	}
	for _, n := range nodes {
		n.Arguments = arguments(n, nodes, cfg)
		n.settings = settings(n, cfg, keys, version)
	}
	return nodes
}

func loopback(network netip.Prefix, number int) netip.Addr {
	bytes := [4]byte{127, 0, 1}
	if network.IsValid() {
		bytes = network.Masked().Addr().As4()
	}
	bytes[3] = byte(number) //nolint:gosec // at most MaxNodes
	return netip.AddrFrom4(bytes)
}

// arguments are the course's commands but for the addresses, and for two things that it leaves out. With -bootstrap-expect 2
// the loss of one server ends all writes, so there are three. And -join ends an agent when nobody answers: -retry-join lets
// nodes start in any order, and it names every server, since the first may be the one that is away.
func arguments(n *Node, all []*Node, cfg Config) []string {
	args := []string{"agent"}
	if n.Server {
		args = append(args, "-server", "-bootstrap-expect", strconv.Itoa(cfg.Servers))
	}
	args = append(args, "-data-dir", n.data(), "-node="+n.Name, "-bind="+n.Address.String())
	if n.Server {
		args = append(args, "-ui")
	}
	args = append(args, "-config-dir", n.config(), "-rejoin")
	for _, other := range all {
		if other != n && other.Server {
			args = append(args, "-retry-join", other.joinAddress())
		}
	}
	client := n.Address.String() // others on this machine have the rest
	if cfg.Lab != nil {
		client = "0.0.0.0"
	}
	return append(args, "-client", client)
}

func (n *Node) joinAddress() string {
	if n.Ports.SerfLAN == DefaultPorts+serfLANOffset {
		return n.Address.String()
	}
	return net.JoinHostPort(n.Address.String(), strconv.Itoa(n.Ports.SerfLAN))
}

// Bounds in the nodes' configuration.
const (
	logBytes       = 4 << 20 // of one file
	logFiles       = 2       // besides the one that is written
	connsPerClient = 10_000  // everyone comes from one address here, and Consul's default is 200
)

// settings are what no argument says.
func settings(n *Node, cfg Config, keys secrets, version release) map[string]any {
	s := map[string]any{
		"performance":          map[string]any{"raft_multiplier": max(cfg.RaftMultiplier, 1), "leave_drain_time": "1s"},
		"limits":               map[string]any{"http_max_conns_per_client": connsPerClient},
		"retry_interval":       "1s",
		"disable_update_check": true,
		"log_file":             n.Log(),
		"log_rotate_bytes":     logBytes,
		"log_rotate_max_files": logFiles,
		// A node that is asked to end ends, as when a machine is shut down, and is expected back. Who leaves says so.
		"leave_on_terminate":      false,
		"skip_leave_on_interrupt": true,
	}
	if ports := differing(n, cfg, version); len(ports) > 0 {
		s["ports"] = ports
	}
	if cfg.Gossip {
		s["encrypt"] = keys.Gossip
	}
	if cfg.ACL {
		tokens := map[string]any{"agent": keys.Agents[n.Name].Secret}
		if n.Server {
			tokens["initial_management"] = keys.Management.Secret
		}
		s["acl"] = map[string]any{"enabled": true, "default_policy": "deny", "tokens": tokens}
	}
	if cfg.TLS {
		s["tls"] = map[string]any{
			"defaults": map[string]any{
				"ca_file": caFile(cfg.Folder), "cert_file": n.certFile(), "key_file": n.keyFile(),
				"verify_incoming": true, "verify_outgoing": true,
			},
			"https":        map[string]any{"verify_incoming": false}, // people and services have tokens
			"internal_rpc": map[string]any{"verify_server_hostname": true},
		}
	}
	return s
}

// differing returns the ports that are not Consul's own.
func differing(n *Node, cfg Config, version release) map[string]any {
	ports := map[string]any{}
	if cfg.TLS {
		ports["http"], ports["https"] = n.Ports.HTTP, n.Ports.HTTPS
	}
	if cfg.Ports == 0 {
		return ports
	}
	ports["server"], ports["serf_lan"], ports["serf_wan"], ports["dns"] = n.Ports.Server, n.Ports.SerfLAN, n.Ports.SerfWAN, n.Ports.DNS
	ports["http"] = n.Ports.HTTP
	if version.atLeast(1, 14) { // since then a server listens here, which earlier ones do not know
		ports["grpc_tls"] = -1
	}
	return ports
}

// configuration returns the content of the node's configuration file.
func (n *Node) configuration() ([]byte, error) {
	text, err := json.MarshalIndent(n.settings, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the configuration of %s: %w", n.Name, err)
	}
	return append(text, '\n'), nil
}
