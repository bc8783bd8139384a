package consulwire

import (
	"errors"
	"strings"
)

// CatalogRegistration is the body of /v1/catalog/register: a node and, perhaps, an instance and checks on it.
type CatalogRegistration struct {
	Datacenter      string
	ID              string // the node's
	Node            string
	Address         string
	TaggedAddresses map[string]string
	NodeMeta        map[string]string
	Service         *CatalogInstance
	Check           *HealthCheck
	Checks          []*HealthCheck
	SkipNodeUpdate  bool // a node that exists stays as it is
	Token           string
	CreateIndex     uint64 // not read, nor is ModifyIndex
	ModifyIndex     uint64
}

// CatalogInstance is an instance inside a CatalogRegistration.
type CatalogInstance struct {
	Kind              string
	ID                string
	Service           string
	Tags              []string
	Address           string
	TaggedAddresses   map[string]ServiceAddress
	Meta              map[string]string
	Port              int
	SocketPath        string
	Weights           *Weights // nil when not given
	EnableTagOverride bool
	Proxy             Proxy
	Connect           ConnectRegistration
	CreateIndex       uint64 // not read, nor is ModifyIndex
	ModifyIndex       uint64
}

// CatalogDeregistration is the body of /v1/catalog/deregister. Without a service or check it names the whole node.
type CatalogDeregistration struct {
	Datacenter string
	Node       string
	Address    string // not read
	ServiceID  string
	CheckID    string
	Token      string
}

// UnmarshalJSON reads the registration; an unknown field is an error, as in Consul.
func (r *CatalogRegistration) UnmarshalJSON(data []byte) error {
	type plain CatalogRegistration
	return enterprise(decodeStrict(data, (*plain)(r)))
}

// UnmarshalJSON reads the deregistration; an unknown field is an error, as in Consul.
func (r *CatalogDeregistration) UnmarshalJSON(data []byte) error {
	type plain CatalogDeregistration
	return enterprise(decodeStrict(data, (*plain)(r)))
}

// enterprise says of an unknown field that it belongs to the other edition of Consul.
func enterprise(err error) error {
	if err != nil && strings.HasSuffix(err.Error(), `json: unknown field "Namespace"`) {
		return errors.New(err.Error() + " - Namespaces are a Consul Enterprise feature")
	}
	return err
}
