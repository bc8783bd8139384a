package httpapi

import (
	"net/http"
	"strconv"
	"time"

	"github.com/pandakit/panda/internal/consulwire"
)

// operatorEndpoints answer for a healthy cluster of one server.
func (h *Handler) operatorEndpoints() []endpoint {
	return []endpoint{
		{http.MethodGet, "/v1/status/leader", h.leader},
		{http.MethodGet, "/v1/status/peers", h.peers},
		{http.MethodGet, "/v1/operator/raft/configuration", h.raftConfiguration},
		{http.MethodDelete, "/v1/operator/raft/peer", removePeer},
		{"GET,POST,PUT,DELETE", "/v1/operator/keyring", h.keyring},
		{"GET,PUT", "/v1/operator/autopilot/configuration", h.autopilotConfiguration},
		{http.MethodGet, "/v1/operator/autopilot/health", h.autopilotHealth},
		{http.MethodGet, "/v1/operator/autopilot/state", h.autopilotState},
	}
}

func (h *Handler) leader(http.ResponseWriter, *http.Request) (any, error) { return h.server(), nil }

func (h *Handler) peers(http.ResponseWriter, *http.Request) (any, error) {
	return []string{h.server()}, nil
}

func (h *Handler) raftConfiguration(http.ResponseWriter, *http.Request) (any, error) {
	node := h.node()
	return &consulwire.RaftConfiguration{Servers: []consulwire.RaftServer{{
		ID: node.ID, Node: node.Node, Address: h.server(), Leader: true, ProtocolVersion: "3", Voter: true,
	}}}, nil
}

func removePeer(_ http.ResponseWriter, r *http.Request) (any, error) {
	query := r.URL.Query()
	switch id, address := query.Has("id"), query.Has("address"); {
	case !id && !address:
		return nil, badRequest("Must specify either ?id with the server's ID or ?address with IP:port of peer to remove")
	case id && address:
		return nil, badRequest("Must specify only one of ?id or ?address")
	case id:
		return nil, fail("id %q was not found in the Raft configuration", query.Get("id"))
	}
	return nil, fail("address %q was not found in the Raft configuration", query.Get("address"))
}

// mostRelays is Consul's limit of ?relay-factor.
const mostRelays = 5

// keyring answers as an agent whose gossip is not encrypted: this one has none.
func (h *Handler) keyring(_ http.ResponseWriter, r *http.Request) (any, error) {
	if r.Method != http.MethodGet {
		var change struct {
			Key, Token  string
			RelayFactor uint8
			LocalOnly   bool
		}
		if err := decode(r, &change); err != nil {
			return nil, err
		}
	}
	query := r.URL.Query()
	if text := query.Get("relay-factor"); text != "" {
		relays, err := strconv.Atoi(text)
		if err != nil {
			return nil, badRequest("Error parsing relay factor: %v", err)
		}
		if relays < 0 || relays > mostRelays {
			return nil, badRequest("Invalid relay-factor: Relay factor must be in range: [0, %d]", mostRelays)
		}
	}
	if text := query.Get("local-only"); text != "" {
		local, err := strconv.ParseBool(text)
		if err != nil {
			return nil, badRequest("Error parsing local-only: %v", err)
		}
		if local && r.Method != http.MethodGet {
			return nil, badRequest("Invalid use of local-only: local-only can only be set for list requests")
		}
	}
	return nil, fail("4 errors occurred:\n\t* WAN error: 1/1 nodes reported failure\n\t* %s.%s: Keyring is empty (encryption not enabled)\n"+
		"\t* %s (LAN) error: 1/1 nodes reported failure\n\t* %s: Keyring is empty (encryption not enabled)\n\n",
		h.cfg.Node, h.cfg.Datacenter, h.cfg.Datacenter, h.cfg.Node)
}

func (h *Handler) autopilotHealth(http.ResponseWriter, *http.Request) (any, error) {
	node := h.node()
	return &consulwire.AutopilotHealth{Healthy: true, Servers: []consulwire.AutopilotServerHealth{{
		ID: node.ID, Name: node.Node, Address: h.server(), SerfStatus: "alive", Version: h.cfg.Version, Leader: true,
		LastContact: "0s", LastTerm: raftTerm, LastIndex: h.cfg.Catalog.View().Index(), Healthy: true, Voter: true,
		StableSince: h.began.Round(time.Second).UTC(),
	}}}, nil
}

// raftTerm is that of a server that was elected once.
const raftTerm = 2

func (h *Handler) autopilotState(http.ResponseWriter, *http.Request) (any, error) {
	node := h.node()
	return &consulwire.AutopilotState{
		Healthy: true, Leader: node.ID, Voters: []string{node.ID},
		Servers: map[string]consulwire.AutopilotServer{node.ID: {
			ID: node.ID, Name: node.Node, Address: h.server(), NodeStatus: "alive", Version: h.cfg.Version, LastContact: "0s",
			LastTerm: raftTerm, LastIndex: h.cfg.Catalog.View().Index(), Healthy: true, StableSince: h.began.UTC(),
			Status: "leader", Meta: node.Meta, NodeType: "voter",
		}},
	}, nil
}
