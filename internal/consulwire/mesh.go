package consulwire

import (
	"encoding/json"
	"strings"
)

// The kinds of services that have a meaning in a mesh. One of no kind, or of any other, is an ordinary service.
const (
	KindConnectProxy       = "connect-proxy"
	KindMeshGateway        = "mesh-gateway"
	KindTerminatingGateway = "terminating-gateway"
	KindIngressGateway     = "ingress-gateway"
)

// IsGateway reports whether a service of the kind stands at the edge of a mesh.
func IsGateway(kind string) bool {
	return kind == KindMeshGateway || kind == KindTerminatingGateway || kind == KindIngressGateway
}

// Proxy is what a proxy of a mesh is to do. The agent keeps it and tells it; nothing here acts on it.
type Proxy struct {
	DestinationServiceName string `json:",omitempty"`
	DestinationServiceID   string `json:",omitempty"`
	LocalServiceAddress    string `json:",omitempty"`
	LocalServicePort       int    `json:",omitempty"`
	LocalServiceSocketPath string `json:",omitempty"`
	Mode                   string
	Config                 map[string]any `json:",omitempty" bexpr:"-"` // any JSON
	Upstreams              []Upstream     `json:",omitempty"`
	MeshGateway            MeshGateway
	Expose                 Expose
	TransparentProxy       TransparentProxy `json:",omitzero"`
}

// Upstream is a service that a proxy calls for the one behind it.
type Upstream struct {
	DestinationType      string
	DestinationNamespace string `json:",omitempty"`
	DestinationPartition string `json:",omitempty"`
	DestinationName      string
	Datacenter           string
	LocalBindAddress     string         `json:",omitempty"`
	LocalBindPort        int            `json:",omitempty"`
	LocalBindSocketPath  string         `json:",omitempty"`
	LocalBindSocketMode  string         `json:",omitempty"`
	Config               map[string]any `json:",omitempty" bexpr:"-"` // any JSON
	MeshGateway          MeshGateway
	CentrallyConfigured  bool `json:",omitempty" bexpr:"-"`
}

// MeshGateway says whether calls to other datacenters go through gateways: "none", "local", "remote" or "".
type MeshGateway struct {
	Mode string `json:",omitempty"`
}

// Expose is what can be reached through a proxy without the mesh.
type Expose struct {
	Checks bool         `json:",omitempty"`
	Paths  []ExposePath `json:",omitempty"`
}

// ExposePath is a path of HTTP that can be reached through a proxy without the mesh.
type ExposePath struct {
	ListenerPort    int    `json:",omitempty"`
	Path            string `json:",omitempty"`
	LocalPathPort   int    `json:",omitempty"`
	Protocol        string `json:",omitempty"`
	ParsedFromCheck bool   `json:",omitempty"`
}

// TransparentProxy is how a proxy takes the calls that a program believes to make itself.
type TransparentProxy struct {
	OutboundListenerPort int  `json:",omitempty"`
	DialedDirectly       bool `json:",omitempty"`
}

// Connect says what a service itself knows of the mesh.
type Connect struct {
	Native bool `json:",omitempty"`
}

// ConnectRegistration is Connect as a registration has it: with a proxy to be registered at once.
type ConnectRegistration struct {
	Native         bool
	SidecarService *ServiceRegistration
}

// LocalProxy is a Proxy as the agent tells it of those registered with it.
type LocalProxy struct {
	DestinationServiceName string            `json:",omitempty"`
	DestinationServiceID   string            `json:",omitempty"`
	LocalServiceAddress    string            `json:",omitempty"`
	LocalServicePort       int               `json:",omitempty"`
	LocalServiceSocketPath string            `json:",omitempty"`
	Mode                   string            `json:",omitempty"`
	TransparentProxy       *TransparentProxy `json:",omitempty"`
	Config                 map[string]any    `json:",omitempty" bexpr:"-"`
	Upstreams              []LocalUpstream   `json:",omitempty"`
	MeshGateway            MeshGateway
	Expose                 LocalExpose
}

// LocalExpose is an Expose as the agent tells it.
type LocalExpose struct {
	Checks bool              `json:",omitempty"`
	Paths  []LocalExposePath `json:",omitempty"`
}

// LocalExposePath is an ExposePath as the agent tells it.
type LocalExposePath struct {
	ListenerPort    int    `json:",omitempty"`
	Path            string `json:",omitempty"`
	LocalPathPort   int    `json:",omitempty"`
	Protocol        string `json:",omitempty"`
	ParsedFromCheck bool
}

// LocalUpstream is an Upstream as the agent tells it.
type LocalUpstream struct {
	DestinationType      string `json:",omitempty"`
	DestinationPartition string `json:",omitempty"`
	DestinationNamespace string `json:",omitempty"`
	DestinationName      string
	Datacenter           string         `json:",omitempty"`
	LocalBindAddress     string         `json:",omitempty"`
	LocalBindPort        int            `json:",omitempty"`
	LocalBindSocketPath  string         `json:",omitempty"`
	LocalBindSocketMode  string         `json:",omitempty"`
	Config               map[string]any `json:",omitempty" bexpr:"-"`
	MeshGateway          MeshGateway
}

// Local returns the proxy as the agent tells it. Config is shared with it.
func (p *Proxy) Local() *LocalProxy {
	local := &LocalProxy{
		DestinationServiceName: p.DestinationServiceName, DestinationServiceID: p.DestinationServiceID,
		LocalServiceAddress: p.LocalServiceAddress, LocalServicePort: p.LocalServicePort, LocalServiceSocketPath: p.LocalServiceSocketPath,
		Mode: p.Mode, Config: p.Config, MeshGateway: p.MeshGateway, Expose: LocalExpose{Checks: p.Expose.Checks},
	}
	if p.TransparentProxy != (TransparentProxy{}) {
		transparent := p.TransparentProxy
		local.TransparentProxy = &transparent
	}
	for _, e := range p.Expose.Paths {
		local.Expose.Paths = append(local.Expose.Paths, LocalExposePath(e))
	}
	for _, u := range p.Upstreams {
		local.Upstreams = append(local.Upstreams, LocalUpstream{
			DestinationType: u.DestinationType, DestinationPartition: u.DestinationPartition, DestinationNamespace: u.DestinationNamespace,
			DestinationName: u.DestinationName, Datacenter: u.Datacenter, LocalBindAddress: u.LocalBindAddress, LocalBindPort: u.LocalBindPort,
			LocalBindSocketPath: u.LocalBindSocketPath, LocalBindSocketMode: u.LocalBindSocketMode, Config: u.Config, MeshGateway: u.MeshGateway,
		})
	}
	return local
}

// UnmarshalJSON reads the proxy in both spellings; an unknown field is an error, as in Consul. What later clients write
// also where it says nothing is left out.
func (p *Proxy) UnmarshalJSON(data []byte) error {
	type Alias Proxy
	return bothSpellings(data, (*Alias)(p), laterProxyFields(), "destination_service_name", "destination_service_id", "local_service_address",
		"local_service_port", "local_service_socket_path", "mesh_gateway", "transparent_proxy")
}

// laterProxyFields are those of a proxy in Consuls after 1.12.
func laterProxyFields() []string {
	return []string{"AccessLogs", "EnvoyExtensions", "LocalServicePorts"}
}

// UnmarshalJSON reads the upstream in both spellings; an unknown field is an error, as in Consul.
func (u *Upstream) UnmarshalJSON(data []byte) error {
	type Alias Upstream
	return bothSpellings(data, (*Alias)(u), nil, "destination_type", "destination_partition", "destination_namespace", "destination_name",
		"local_bind_address", "local_bind_port", "local_bind_socket_path", "local_bind_socket_mode", "mesh_gateway")
}

// UnmarshalJSON reads the path in both spellings; an unknown field is an error, as in Consul.
func (e *ExposePath) UnmarshalJSON(data []byte) error {
	type Alias ExposePath
	return bothSpellings(data, (*Alias)(e), nil, "listener_port", "local_path_port", "parsed_from_check")
}

// UnmarshalJSON reads what a registration says of the mesh. Unknown fields are left alone, as in Consul.
func (c *ConnectRegistration) UnmarshalJSON(data []byte) error {
	type Alias ConnectRegistration
	aux := struct {
		SidecarServiceSnake *ServiceRegistration `json:"sidecar_service"`
		*Alias
	}{Alias: (*Alias)(c)}
	if err := json.Unmarshal(data, &aux); err != nil {
		return err
	}
	if c.SidecarService == nil {
		c.SidecarService = aux.SidecarServiceSnake
	}
	return nil
}

// bothSpellings reads an object into a struct, with the fields that are also known by the given names in snake case. Of
// two spellings of one field that in camel case counts, unless it says nothing. The fields later are left out where they say
// nothing.
func bothSpellings(data []byte, into any, later []string, snakes ...string) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil || fields == nil {
		return err
	}
	for _, snake := range snakes {
		value, given := take(fields, snake)
		if !given {
			continue
		}
		camel := strings.ReplaceAll(snake, "_", "")
		if own, given := take(fields, camel); given && says(own) {
			value = own
		}
		fields[camel] = value // names are matched in any case
	}
	for _, name := range later {
		if value, given := take(fields, name); given && says(value) {
			fields[name] = value
		}
	}
	plain, err := json.Marshal(fields)
	if err != nil {
		return err
	}
	return decodeStrict(plain, into)
}

// take removes the field of that name, in any case, and returns its value.
func take(fields map[string]json.RawMessage, name string) (json.RawMessage, bool) {
	for key, value := range fields {
		if strings.EqualFold(key, name) {
			delete(fields, key)
			return value, true
		}
	}
	return nil, false
}

// says reports whether a value is another than that of a field which is not given.
func says(value json.RawMessage) bool {
	switch string(value) {
	case "null", `""`, "0", "false", "{}", "[]":
		return false
	}
	return true
}
