package consulwire

// Self is the answer of /v1/agent/self.
type Self struct {
	Config      SelfConfig
	DebugConfig map[string]any // what tools look up; not all of what a Consul server tells
	Coord       Coordinate
	Member      Member
	Stats       map[string]map[string]string
	Meta        map[string]string
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

// Coordinate is a place in the network: distances between places estimate round-trip times. That of a single agent
// is the origin.
type Coordinate struct {
	Vec        [8]float64
	Error      float64
	Adjustment float64
	Height     float64
}

// NodeCoordinate is the coordinate of a node.
type NodeCoordinate struct {
	Node    string
	Segment string
	Coord   Coordinate
}

// DatacenterCoordinates are those of one datacenter's servers.
type DatacenterCoordinates struct {
	Datacenter  string
	AreaID      string
	Coordinates []NodeCoordinate
}
