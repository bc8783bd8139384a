package httpapi

import (
	"net"
	"net/http"
	"strconv"

	"github.com/pandakit/panda/internal/consulwire"
)

func (h *Handler) node() *consulwire.Node { return h.cfg.Catalog.View().Node(h.cfg.Node) }

func (h *Handler) server() string {
	return net.JoinHostPort(h.node().Address, strconv.Itoa(h.cfg.ServerPort))
}

func (h *Handler) leader(http.ResponseWriter, *http.Request) (any, error) { return h.server(), nil }

func (h *Handler) peers(http.ResponseWriter, *http.Request) (any, error) {
	return []string{h.server()}, nil
}

func (h *Handler) version(http.ResponseWriter, *http.Request) (any, error) {
	return &consulwire.Version{HumanVersion: h.cfg.Version}, nil
}

func (h *Handler) self(http.ResponseWriter, *http.Request) (any, error) {
	node := h.node()
	return &consulwire.Self{
		Config: consulwire.SelfConfig{
			Datacenter: h.cfg.Datacenter, PrimaryDatacenter: h.cfg.Datacenter,
			NodeName: node.Node, NodeID: node.ID, Server: true, Version: h.cfg.Version,
		},
		Member: h.member(),
		Stats:  map[string]map[string]string{},
		Meta:   node.Meta,
	}, nil
}

func (h *Handler) members(http.ResponseWriter, *http.Request) (any, error) {
	return []consulwire.Member{h.member()}, nil
}

// alive is the status of a member that takes part.
const alive = 1

func (h *Handler) member() consulwire.Member {
	node := h.node()
	return consulwire.Member{
		Name: node.Node, Addr: node.Address, Port: serfPort,
		Tags: map[string]string{
			"acls": "0", "build": h.cfg.Version + ":", "dc": h.cfg.Datacenter, "id": node.ID,
			"port": strconv.Itoa(h.cfg.ServerPort), "raft_vsn": "3", "role": "consul", "segment": "",
			"vsn": "2", "vsn_max": "3", "vsn_min": "2",
		},
		Status: alive, ProtocolMin: 1, ProtocolMax: 5, ProtocolCur: 2, DelegateMin: 2, DelegateMax: 5, DelegateCur: 4,
	}
}

// serfPort is where Consul's members gossip. This agent does not; tools expect a port.
const serfPort = 8301
