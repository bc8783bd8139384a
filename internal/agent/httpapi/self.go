package httpapi

import (
	"maps"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"time"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/consulwire"
)

func (h *Handler) selfEndpoints() []endpoint {
	return []endpoint{
		{http.MethodGet, "/v1/agent/self", h.self},
		{http.MethodGet, "/v1/agent/version", h.version},
		{http.MethodGet, "/v1/agent/host", h.host},
		{http.MethodGet, "/v1/agent/members", h.members},
		{http.MethodPut, "/v1/agent/join/{address...}", h.join},
		{http.MethodPut, "/v1/agent/force-leave/{name...}", h.forceLeave},
		{http.MethodPut, "/v1/agent/leave", h.leave},
		{http.MethodPut, "/v1/agent/reload", h.reload},
		{http.MethodGet, "/v1/agent/monitor", h.monitor},
		{http.MethodGet, "/v1/agent/metrics", h.metrics},
		{http.MethodGet, "/v1/agent/metrics/stream", h.metricsStream},
	}
}

func (h *Handler) node() *consulwire.Node { return h.cfg.Catalog.View().Node(h.cfg.Node) }

// server is where a Consul server would take calls of others.
func (h *Handler) server() string {
	return net.JoinHostPort(h.node().Address, strconv.Itoa(h.cfg.ServerPort))
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
		DebugConfig: h.debugConfig(node),
		Coord:       atOrigin,
		Member:      h.member(),
		Stats:       h.stats(),
		Meta:        node.Meta,
	}, nil
}

// debugConfig is what is true of this agent among what a Consul server tells of its configuration.
func (h *Handler) debugConfig(node *consulwire.Node) map[string]any {
	return map[string]any{
		"ACLsEnabled": false, "AdvertiseAddrLAN": node.Address, "AdvertiseAddrWAN": node.Address, "Bootstrap": false,
		"BootstrapExpect": 0, "ConnectEnabled": false, "DNSDomain": "consul.", "Datacenter": h.cfg.Datacenter,
		"DevMode": true, "DisableCoordinates": true, "DisableRemoteExec": true, "EnableDebug": false,
		"EnableLocalScriptChecks": false, "EnableRemoteScriptChecks": false, "GRPCAddrs": []string{}, "GRPCPort": -1,
		"HTTPSAddrs": []string{}, "HTTPSPort": -1, "HTTPUseCache": true, "KVMaxValueSize": maxBody,
		"NodeID": node.ID, "NodeMeta": map[string]string{}, "NodeName": node.Node, "PrimaryDatacenter": h.cfg.Datacenter,
		"SegmentName": "", "Segments": []string{}, "SerfPortLAN": serfPort, "SerfPortWAN": serfWANPort,
		"ServerMode": true, "ServerPort": h.cfg.ServerPort, "TaggedAddresses": node.TaggedAddresses,
		"TranslateWANAddrs": false, "TxnMaxReqLen": maxBody, "Version": h.cfg.Version, "VersionPrerelease": "",
	}
}

// stats are what `consul info` prints.
func (h *Handler) stats() map[string]map[string]string {
	view, node := h.cfg.Catalog.View(), h.node()
	index := strconv.FormatUint(view.Index(), 10)
	services, checks, ttls := h.registered(view)
	serf := map[string]string{"encrypted": "false", "failed": "0", "health_score": "0", "left": "0", "members": "1"}
	return map[string]map[string]string{
		"agent": {
			"check_monitors": "0", "check_ttls": strconv.Itoa(ttls), "checks": strconv.Itoa(checks), "services": strconv.Itoa(services),
		},
		"build": {"prerelease": "", "revision": "", "version": h.cfg.Version, "version_metadata": ""},
		"consul": {
			"acl": "disabled", "bootstrap": "false", "known_datacenters": "1", "leader": "true", "leader_addr": h.server(), "server": "true",
		},
		"raft": {
			"applied_index": index, "commit_index": index, "last_log_index": index, "fsm_pending": "0", "last_contact": "0",
			"latest_configuration": "[{Suffrage:Voter ID:" + node.ID + " Address:" + h.server() + "}]", "num_peers": "0",
			"protocol_version": "3", "state": "Leader", "term": strconv.Itoa(raftTerm), "last_log_term": strconv.Itoa(raftTerm),
		},
		"runtime": {
			"arch": runtime.GOARCH, "cpu_count": strconv.Itoa(runtime.NumCPU()), "goroutines": strconv.Itoa(runtime.NumGoroutine()),
			"max_procs": strconv.Itoa(runtime.GOMAXPROCS(0)), "os": runtime.GOOS, "version": runtime.Version(),
		},
		"serf_lan": serf, "serf_wan": maps.Clone(serf),
	}
}

// registered counts what is registered with this agent.
func (h *Handler) registered(view catalog.View) (services, checks, ttls int) {
	for _, i := range view.NodeInstances(h.cfg.Node) {
		if i.Local {
			services++
		}
	}
	for _, c := range view.NodeChecks(h.cfg.Node) {
		if !c.Local {
			continue
		}
		checks++
		if c.Type == "ttl" {
			ttls++
		}
	}
	return services, checks, ttls
}

func (h *Handler) members(_ http.ResponseWriter, r *http.Request) (any, error) {
	query := r.URL.Query()
	const allSegments = "_all"
	switch segment := query.Get("segment"); {
	case segment == "" || segment == allSegments:
	case query.Get("wan") != "":
		return nil, badRequest("Cannot provide a segment with wan=true")
	default:
		return nil, fail("Network segments are not supported in this version of Consul")
	}
	member := h.member()
	if query.Get("wan") != "" {
		member.Name += "." + h.cfg.Datacenter
		member.Port = serfWANPort
		delete(member.Tags, wanPortTag)
	}
	return []consulwire.Member{member}, nil
}

// alive is the status of a member that takes part.
const alive = 1

// Where Consul's members gossip. This agent does not; tools expect ports.
const (
	serfPort    = 8301
	serfWANPort = 8302
	wanPortTag  = "wan_join_port"
)

func (h *Handler) member() consulwire.Member {
	node := h.node()
	return consulwire.Member{
		Name: node.Node, Addr: node.Address, Port: serfPort,
		Tags: map[string]string{
			"acls": "0", "build": h.cfg.Version + ":", "dc": h.cfg.Datacenter, "ft_fs": "1", "ft_si": "1", "id": node.ID,
			"port": strconv.Itoa(h.cfg.ServerPort), "raft_vsn": "3", "role": "consul", "segment": "",
			"vsn": "2", "vsn_max": "3", "vsn_min": "2", wanPortTag: strconv.Itoa(serfWANPort),
		},
		Status: alive, ProtocolMin: 1, ProtocolMax: 5, ProtocolCur: 2, DelegateMin: 2, DelegateMax: 5, DelegateCur: 4,
	}
}

// join takes the agent's own address for joined; another agent is never joined.
func (h *Handler) join(_ http.ResponseWriter, r *http.Request) (any, error) {
	address := r.PathValue("address")
	own := h.node().Address
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		host, port = address, strconv.Itoa(serfPort)
	}
	if host == own && (port == strconv.Itoa(serfPort) || port == strconv.Itoa(serfWANPort)) {
		return nil, nil
	}
	return nil, fail("1 error occurred:\n\t* Failed to join %s: this agent stands alone and never joins others; more than one machine needs a Consul cluster\n\n", address)
}

func (h *Handler) forceLeave(_ http.ResponseWriter, r *http.Request) (any, error) {
	name := r.PathValue("name")
	known := h.cfg.Node
	if r.URL.Query().Has("wan") {
		known += "." + h.cfg.Datacenter
	}
	if name != known {
		return nil, fail("agent: No node found with name '%s'", name)
	}
	return nil, nil
}

func (h *Handler) leave(_ http.ResponseWriter, r *http.Request) (any, error) {
	if h.cfg.Leave == nil {
		return nil, fail("this agent cannot be told to leave: end its process instead")
	}
	return nil, failure(h.cfg.Leave(r.Context()))
}

func (h *Handler) reload(_ http.ResponseWriter, r *http.Request) (any, error) {
	if h.cfg.Reload == nil {
		return nil, nil
	}
	return nil, failure(h.cfg.Reload(r.Context()))
}

// host tells what the process knows of its machine.
func (h *Handler) host(http.ResponseWriter, *http.Request) (any, error) {
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	return map[string]any{
		"Memory": map[string]uint64{"used": memory.Sys},
		"CPU":    make([]struct{}, runtime.NumCPU()),
		"Host":   map[string]string{"hostname": h.cfg.Node, "os": runtime.GOOS, "kernelArch": runtime.GOARCH},
		"Disk":   nil, "CollectionTime": time.Now().UnixNano(), "Errors": nil,
	}, nil
}
