package agent

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"strings"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/agent/registrar"
	"github.com/pandakit/panda/internal/consulwire"
)

func (c Config) withDefaults() Config {
	c.HTTPAddr = cmp.Or(c.HTTPAddr, DefaultHTTPAddr)
	c.Node = cmp.Or(c.Node, "localhost")
	c.Address = cmp.Or(c.Address, "127.0.0.1")
	c.Datacenter = cmp.Or(c.Datacenter, "dc1")
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func (c *Config) validate() error {
	if len(c.addresses()) == 0 {
		return errors.New("configure agent: no address to listen on: HTTP is off, and HTTPS is not served")
	}
	for _, at := range c.addresses() {
		if _, _, err := net.SplitHostPort(at.Addr); err != nil && !strings.HasPrefix(at.Addr, unixScheme) {
			return fmt.Errorf("configure agent: HTTP address %q is not host:port", at.Addr)
		}
	}
	if ip, err := netip.ParseAddr(c.Address); err != nil || ip.IsUnspecified() {
		return fmt.Errorf("configure agent: node address %q is not an IP address that others can reach", c.Address)
	}
	if err := registrar.ValidateMeta(c.NodeMeta); err != nil {
		return fmt.Errorf("node_meta invalid: %w", err)
	}
	return nil
}

func node(cfg *Config, id string) *consulwire.Node {
	family := "ipv4"
	if ip, err := netip.ParseAddr(cfg.Address); err == nil && ip.Is6() {
		family = "ipv6"
	}
	meta := map[string]string{"consul-network-segment": ""}
	maps.Copy(meta, cfg.NodeMeta)
	return &consulwire.Node{
		ID: id, Node: cfg.Node, Address: cfg.Address, Datacenter: cfg.Datacenter,
		TaggedAddresses: map[string]string{
			"lan": cfg.Address, "lan_" + family: cfg.Address, "wan": cfg.Address, "wan_" + family: cfg.Address,
		},
		Meta: meta,
	}
}

func server(cfg *Config) *catalog.Instance {
	return &catalog.Instance{Node: cfg.Node, NodeService: consulwire.NodeService{
		ID: registrar.OwnService, Service: registrar.OwnService, Port: serverPort,
		Weights: consulwire.Weights{Passing: 1, Warning: 1},
		Meta: map[string]string{
			"non_voter": "false", "raft_version": "3", "read_replica": "false", "serf_protocol_current": "2",
			"serf_protocol_max": "5", "serf_protocol_min": "1", "version": Version,
		},
	}}
}
