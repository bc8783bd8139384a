package agent

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"strings"
	"time"

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

// newCatalog returns a catalog with what a Consul server knows of itself.
func newCatalog(cfg *Config) (*catalog.Catalog, error) {
	// An agent that starts anew begins above the indexes of its former lives, so that a client that
	// waits on an old one learns what is true now. Microseconds outrun any rate of writes, and such an
	// index is still exact where numbers are floating point.
	state := catalog.New(uint64(time.Now().UnixMicro()))
	err := state.Write(func(w *catalog.Writer) error {
		if err := w.SetNode(node(cfg)); err != nil {
			return err
		}
		if err := w.SetInstance(server(cfg)); err != nil {
			return err
		}
		return w.SetCheck(&catalog.Check{HealthCheck: consulwire.HealthCheck{
			Node: cfg.Node, CheckID: consulwire.SerfHealth, Name: "Serf Health Status",
			Status: consulwire.Passing, Output: "Agent alive and reachable",
		}})
	})
	if err != nil {
		return nil, fmt.Errorf("configure agent: %w", err)
	}
	return state, nil
}

func node(cfg *Config) *consulwire.Node {
	family := "ipv4"
	if ip, err := netip.ParseAddr(cfg.Address); err == nil && ip.Is6() {
		family = "ipv6"
	}
	meta := map[string]string{"consul-network-segment": ""}
	maps.Copy(meta, cfg.NodeMeta)
	return &consulwire.Node{
		ID: cmp.Or(cfg.NodeID, newID()), Node: cfg.Node, Address: cfg.Address, Datacenter: cfg.Datacenter,
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
		Meta:    map[string]string{"version": Version},
	}}
}

// newID returns a random UUID.
func newID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}
