package consulwire

// Weights are the shares of traffic of an instance while it is passing and while it is warning.
type Weights struct {
	Passing int
	Warning int
}

// ServiceAddress is one of the addresses by which an instance can be reached.
type ServiceAddress struct {
	Address string
	Port    int
}

// The bexpr tags, here and elsewhere, name what filters may select; "-" is what they may not.

// NodeService is an instance as the catalog and the health answers show it.
type NodeService struct {
	Kind              string `json:",omitempty"`
	ID                string
	Service           string
	Tags              []string
	Address           string
	TaggedAddresses   map[string]ServiceAddress `json:",omitempty"`
	Meta              map[string]string
	Port              int    `json:",omitempty"`
	SocketPath        string `json:",omitempty"`
	Weights           Weights
	EnableTagOverride bool
	Proxy             Proxy
	Connect           Connect
	CreateIndex       uint64 `bexpr:"-"`
	ModifyIndex       uint64 `bexpr:"-"`
}

// AgentService is an instance as the agent shows those registered with it.
type AgentService struct {
	Kind              string `json:",omitempty"`
	ID                string
	Service           string
	Tags              []string
	Meta              map[string]string
	Port              int
	Address           string
	SocketPath        string                    `json:",omitempty"`
	TaggedAddresses   map[string]ServiceAddress `json:",omitempty"`
	Weights           Weights
	EnableTagOverride bool
	ContentHash       string      `json:",omitempty" bexpr:"-"`
	Proxy             *LocalProxy `json:",omitempty"` // of a proxy or a gateway
	Connect           *Connect    `json:",omitempty"` // of what is native to the mesh
	Datacenter        string      `json:",omitempty"`
}

// CatalogService is an instance together with its node, as /v1/catalog/service/ lists it.
type CatalogService struct {
	ID                       string // the node's
	Node                     string
	Address                  string // the node's
	Datacenter               string
	TaggedAddresses          map[string]string
	NodeMeta                 map[string]string
	ServiceKind              string
	ServiceID                string
	ServiceName              string
	ServiceTags              []string
	ServiceAddress           string
	ServiceTaggedAddresses   map[string]ServiceAddress `json:",omitempty"`
	ServiceWeights           Weights
	ServiceMeta              map[string]string
	ServicePort              int
	ServiceSocketPath        string
	ServiceEnableTagOverride bool
	ServiceProxy             Proxy
	ServiceConnect           Connect
	CreateIndex              uint64 `bexpr:"-"`
	ModifyIndex              uint64 `bexpr:"-"`
}

// ServiceEntry is an instance with its node and all checks that count for it: the element of
// /v1/health/service/.
type ServiceEntry struct {
	Node    *Node
	Service *NodeService
	Checks  []*HealthCheck
}

// ServiceHealth is an instance with the worst status of its checks, as /v1/agent/health/service/ tells.
type ServiceHealth struct {
	AggregatedStatus string
	Service          *AgentService
	Checks           []*LocalCheck
}
