package consulwire

import "encoding/json"

// The statuses of a check, and what [ServiceHealth] may say besides.
const (
	Passing     = "passing"
	Warning     = "warning"
	Critical    = "critical"
	Maintenance = "maintenance" // of an instance only: never the status of a check
	Any         = "any"         // of a query only: every status
)

// IDs of the checks that the agent itself sets.
const (
	SerfHealth               = "serfHealth"            // the node is alive
	NodeMaintenance          = "_node_maintenance"     // critical while the node is under maintenance
	ServiceMaintenancePrefix = "_service_maintenance:" // followed by the service's ID
)

// HealthCheck is a check and its last result.
type HealthCheck struct {
	Node        string
	CheckID     string
	Name        string
	Status      string
	Notes       string
	Output      string
	ServiceID   string // empty for a check of the node
	ServiceName string
	ServiceTags []string
	Type        string // "ttl", "http", "tcp", "udp", "grpc", "h2ping", "script", "alias", "maintenance", or empty
	Interval    string
	Timeout     string
	ExposedPort int
	Definition  CheckDefinition `bexpr:"-"`
	CreateIndex uint64          `bexpr:"-"`
	ModifyIndex uint64          `bexpr:"-"`
}

// CheckDefinition is what a check that was written to the catalog says of how it is run: elsewhere, not by the
// agent. It is empty for the agent's own checks.
type CheckDefinition struct {
	Interval                       Duration            `json:",omitzero"`
	OutputMaxSize                  uint                `json:",omitempty"`
	Timeout                        Duration            `json:",omitzero"`
	DeregisterCriticalServiceAfter Duration            `json:",omitzero"`
	HTTP                           string              `json:",omitempty"`
	TLSServerName                  string              `json:",omitempty"`
	TLSSkipVerify                  bool                `json:",omitempty"`
	Header                         map[string][]string `json:",omitempty"`
	Method                         string              `json:",omitempty"`
	Body                           string              `json:",omitempty"`
	DisableRedirects               bool                `json:",omitempty"`
	TCP                            string              `json:",omitempty"`
	UDP                            string              `json:",omitempty"` // of Consuls after 1.12
	H2PING                         string              `json:",omitempty"`
	H2PingUseTLS                   bool                `json:",omitempty"`
	ScriptArgs                     []string            `json:",omitempty"`
	DockerContainerID              string              `json:",omitempty"`
	Shell                          string              `json:",omitempty"`
	GRPC                           string              `json:",omitempty"`
	GRPCUseTLS                     bool                `json:",omitempty"`
	AliasNode                      string              `json:",omitempty"`
	AliasService                   string              `json:",omitempty"`
	TTL                            Nanoseconds         `json:",omitzero"`
}

// UnmarshalJSON reads the definition; unlike elsewhere, Consul takes unknown fields here.
func (d *CheckDefinition) UnmarshalJSON(data []byte) error {
	type plain CheckDefinition
	return json.Unmarshal(data, (*plain)(d))
}

// LocalCheck is a check in the answers of /v1/agent/health/service/, which have another form of definition: always
// whole, and empty here.
type LocalCheck struct {
	Node        string
	CheckID     string
	Name        string
	Status      string
	Notes       string
	Output      string
	ServiceID   string
	ServiceName string
	ServiceTags []string
	Type        string
	Definition  LocalDefinition
	CreateIndex uint64
	ModifyIndex uint64
}

// LocalDefinition is the definition of a LocalCheck.
type LocalDefinition struct {
	Interval                       Duration
	Timeout                        Duration
	DeregisterCriticalServiceAfter Duration
	HTTP                           string
	Header                         map[string][]string
	Method                         string
	Body                           string
	TLSServerName                  string
	TLSSkipVerify                  bool
	TCP                            string
	UDP                            string
	GRPC                           string
	GRPCUseTLS                     bool
}
