package consulwire

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
	Definition  struct{}
	CreateIndex uint64
	ModifyIndex uint64
}
