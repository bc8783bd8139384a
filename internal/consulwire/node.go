package consulwire

// Node is a machine of the catalog.
type Node struct {
	ID              string
	Node            string // its name
	Address         string
	Datacenter      string
	TaggedAddresses map[string]string
	Meta            map[string]string
	CreateIndex     uint64
	ModifyIndex     uint64
}

// NodeServices is the answer of /v1/catalog/node/: a node and what runs on it, by service ID.
type NodeServices struct {
	Node     *Node
	Services map[string]*NodeService
}

// Member is an agent of the cluster, as /v1/agent/members lists it.
type Member struct {
	Name        string
	Addr        string
	Port        uint16
	Tags        map[string]string
	Status      int // 1 is alive
	ProtocolMin uint8
	ProtocolMax uint8
	ProtocolCur uint8
	DelegateMin uint8
	DelegateMax uint8
	DelegateCur uint8
}

// Self is the answer of /v1/agent/self.
type Self struct {
	Config SelfConfig
	Member Member
	Stats  map[string]map[string]string
	Meta   map[string]string
}

// SelfConfig is the part of the agent's configuration that it tells.
type SelfConfig struct {
	Datacenter        string
	PrimaryDatacenter string
	NodeName          string
	NodeID            string
	Revision          string
	Server            bool
	Version           string
}

// Version is the answer of /v1/agent/version.
type Version struct {
	SHA          string
	BuildDate    string
	HumanVersion string
	FIPS         string
}
