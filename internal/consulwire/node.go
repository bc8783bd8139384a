package consulwire

// Node is a machine of the catalog.
type Node struct {
	ID              string
	Node            string // its name
	Address         string
	Datacenter      string
	TaggedAddresses map[string]string
	Meta            map[string]string
	CreateIndex     uint64 `bexpr:"-"`
	ModifyIndex     uint64 `bexpr:"-"`
}

// NodeServices is the answer of /v1/catalog/node/: a node and what runs on it, by service ID.
type NodeServices struct {
	Node     *Node
	Services map[string]*NodeService
}

// NodeServiceList is the answer of /v1/catalog/node-services/: the same as a list.
type NodeServiceList struct {
	Node     *Node
	Services []*NodeService
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
