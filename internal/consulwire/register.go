package consulwire

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
)

// ServiceRegistration is the body of /v1/agent/service/register.
type ServiceRegistration struct {
	Kind              string
	ID                string
	Name              string
	Tags              []string
	Address           string
	TaggedAddresses   map[string]ServiceAddress
	Meta              map[string]string
	Port              int
	SocketPath        string
	Check             *CheckRegistration
	Checks            []*CheckRegistration
	Weights           *Weights // nil when not given
	Token             string
	EnableTagOverride bool
	Namespace         string
	Partition         string
	Proxy             *Proxy
	Connect           *ConnectRegistration

	// These belong to features that the agent does not have; they are kept as they came so that it can
	// say so.
	Ports    json.RawMessage
	AI       json.RawMessage
	Locality json.RawMessage
}

// UnmarshalJSON reads the registration; an unknown field is an error, as in Consul.
func (r *ServiceRegistration) UnmarshalJSON(data []byte) error {
	type Alias ServiceRegistration // its name is part of Consul's error texts
	aux := struct {
		EnableTagOverrideSnake bool                      `json:"enable_tag_override"`
		TaggedAddressesSnake   map[string]ServiceAddress `json:"tagged_addresses"`
		*Alias
	}{Alias: (*Alias)(r)}
	if err := decodeStrict(data, &aux); err != nil {
		return err
	}
	r.EnableTagOverride = r.EnableTagOverride || aux.EnableTagOverrideSnake
	if len(r.TaggedAddresses) == 0 {
		r.TaggedAddresses = aux.TaggedAddressesSnake
	}
	return nil
}

// CheckRegistration is the body of /v1/agent/check/register, and a check inside a service's
// registration.
type CheckRegistration struct {
	ID        string // in a registration of a check alone
	CheckID   string // inside a service's registration; with a check alone it stands for ID when that is empty
	Name      string
	Notes     string
	ServiceID string // in a registration of a check alone
	Status    string
	Token     string
	Namespace string
	Partition string

	Interval Duration
	Timeout  Duration
	TTL      Duration

	HTTP             string
	Method           string
	Header           map[string][]string
	Body             string
	DisableRedirects bool
	TCP              string
	TCPUseTLS        bool
	GRPC             string // host:port or host:port/service
	GRPCUseTLS       bool
	TLSServerName    string
	TLSSkipVerify    bool

	SuccessBeforePassing   int
	FailuresBeforeWarning  int
	FailuresBeforeCritical int

	DeregisterCriticalServiceAfter Duration
	OutputMaxSize                  int

	ScriptArgs   []string // a program and its arguments
	UDP          string   // host:port
	H2PING       string   // host:port
	H2PingUseTLS bool     // true by default where H2PING is set
	AliasNode    string
	AliasService string // the ID of a service

	// These belong to what the agent does not run. It refuses the first and, as Consul does, takes the others for
	// nothing.
	DockerContainerID string
	Shell             string
	ProxyHTTP         string
	ProxyGRPC         string
}

// UnmarshalJSON reads the check; an unknown field is an error, as in Consul.
func (c *CheckRegistration) UnmarshalJSON(data []byte) error {
	type Alias CheckRegistration // its name is part of Consul's error texts
	aux := struct {
		Args                   []string `json:"args"`
		ScriptArgsSnake        []string `json:"script_args"`
		DeregisterSnake        Duration `json:"deregister_critical_service_after"`
		DockerContainerIDSnake string   `json:"docker_container_id"`
		TLSServerNameSnake     string   `json:"tls_server_name"`
		TLSSkipVerifySnake     bool     `json:"tls_skip_verify"`
		GRPCUseTLSSnake        bool     `json:"grpc_use_tls"`
		H2PingUseTLS           *bool    `json:"H2PingUseTLS"`
		H2PingUseTLSSnake      *bool    `json:"h2ping_use_tls"`
		TCPUseTLSSnake         bool     `json:"tcp_use_tls"`
		DisableRedirectsSnake  bool     `json:"disable_redirects"`
		ServiceIDSnake         string   `json:"service_id"`
		*Alias
	}{Alias: (*Alias)(c)}
	if err := decodeStrict(data, &aux); err != nil {
		return err
	}
	if len(c.ScriptArgs) == 0 {
		c.ScriptArgs = slices.Concat(aux.Args, aux.ScriptArgsSnake)
	}
	if c.DeregisterCriticalServiceAfter == 0 {
		c.DeregisterCriticalServiceAfter = aux.DeregisterSnake
	}
	fill(&c.DockerContainerID, aux.DockerContainerIDSnake)
	fill(&c.TLSServerName, aux.TLSServerNameSnake)
	fill(&c.ServiceID, aux.ServiceIDSnake)
	c.TLSSkipVerify = c.TLSSkipVerify || aux.TLSSkipVerifySnake
	c.GRPCUseTLS = c.GRPCUseTLS || aux.GRPCUseTLSSnake
	c.H2PingUseTLS = pingWithTLS(c.H2PING, aux.H2PingUseTLS, aux.H2PingUseTLSSnake)
	c.TCPUseTLS = c.TCPUseTLS || aux.TCPUseTLSSnake
	c.DisableRedirects = c.DisableRedirects || aux.DisableRedirectsSnake
	return nil
}

// pingWithTLS reports whether either spelling asks for TLS; where there is a target it takes a no to go without.
func pingWithTLS(target string, spellings ...*bool) bool {
	for _, given := range spellings {
		if given != nil && *given != (target != "") {
			return *given
		}
	}
	return target != ""
}

// Empty reports whether nothing at all is set. Consul takes an empty check inside a service's
// registration for none.
func (c *CheckRegistration) Empty() bool {
	return c == nil || reflect.ValueOf(*c).IsZero()
}

// CheckUpdate is the body of /v1/agent/check/update/.
type CheckUpdate struct {
	Status string
	Output string
}

func fill(field *string, other string) {
	if *field == "" {
		*field = other
	}
}

func decodeStrict(data []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}
