package consulwire

import "encoding/json"

// TxnOps is the body of /v1/txn.
type TxnOps []*TxnOp

// TxnOp is one operation of a transaction: the first of the fields that is set.
type TxnOp struct {
	KV      *TxnKV
	Node    *TxnNode
	Service *TxnService
	Check   *TxnCheck
}

// TxnKV is an operation on a key.
type TxnKV struct {
	Verb      string
	Key       string
	Value     []byte
	Flags     uint64
	Index     uint64
	Session   string
	Namespace string
	Partition string
}

// TxnNode is an operation on a node.
type TxnNode struct {
	Verb string
	Node struct {
		Node

		// These belong to features that the agent does not have.
		Partition string
		PeerName  string
		Locality  json.RawMessage
	}
}

// TxnService is an operation on a service instance.
type TxnService struct {
	Verb    string
	Node    string
	Service TxnServiceFields
}

// TxnServiceFields is an instance inside a transaction. Consul heeds only some of the fields there.
type TxnServiceFields struct {
	ID                string
	Service           string
	Tags              []string
	Address           string
	Meta              map[string]string
	Port              int
	Weights           Weights
	EnableTagOverride bool
	ModifyIndex       uint64

	// These are read and left alone, as in Consul.
	Kind            string
	SocketPath      string
	TaggedAddresses map[string]ServiceAddress
	CreateIndex     uint64
	ContentHash     string
	Proxy           json.RawMessage
	Connect         json.RawMessage
	PeerName        string
	Namespace       string
	Partition       string
	Datacenter      string
	Ports           json.RawMessage
	AI              json.RawMessage
	Locality        json.RawMessage
}

// TxnCheck is an operation on a check.
type TxnCheck struct {
	Verb  string
	Check TxnCheckFields
}

// TxnCheckFields is a check inside a transaction.
type TxnCheckFields struct {
	Node        string
	CheckID     string
	Name        string
	Status      string
	Notes       string
	Output      string
	ServiceID   string
	Definition  json.RawMessage
	ModifyIndex uint64

	// These are read and left alone, as in Consul.
	ServiceName string
	ServiceTags []string
	Type        string
	Interval    string
	Timeout     string
	ExposedPort int
	CreateIndex uint64
	PeerName    string
	Namespace   string
	Partition   string
}

// TxnResult is what one operation has read or written.
type TxnResult struct {
	KV      *KVPair      `json:",omitempty"`
	Node    *Node        `json:",omitempty"`
	Service *NodeService `json:",omitempty"`
	Check   *HealthCheck `json:",omitempty"`
}

// TxnError says why an operation failed, and with it the transaction.
type TxnError struct {
	OpIndex int
	What    string
}

// TxnAnswer is the answer of a transaction that writes.
type TxnAnswer struct {
	Results []*TxnResult
	Errors  []*TxnError
}

// TxnReadAnswer is the answer of a transaction that only reads.
type TxnReadAnswer struct {
	TxnAnswer
	Index                 uint64
	LastContact           int
	KnownLeader           bool
	ConsistencyLevel      string
	NotModified           bool
	Backend               int
	ResultsFilteredByACLs bool
}
