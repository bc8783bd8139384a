package registrar

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/consulwire"
)

// The ports that are given to proxies whose registration names none, Consul's by default.
const (
	firstSidecarPort = 21000
	lastSidecarPort  = 21255
)

const sidecarSuffix = "-sidecar-proxy"

// unit is a service with its checks, which is registered in one piece. That of a service may come with that of its proxy.
type unit struct {
	instance *catalog.Instance
	checks   []*definedCheck
}

func (r *Registrar) unit(s *consulwire.ServiceRegistration) (*unit, error) {
	instance, err := r.instance(s)
	if err != nil {
		return nil, err
	}
	checks, err := r.serviceChecks(instance, s)
	if err != nil {
		return nil, err
	}
	return &unit{instance, checks}, nil
}

// sidecar returns the proxy that a service asks to have registered with it, or none. taken are the instances whose ports
// it may not be given.
func (r *Registrar) sidecar(of *catalog.Instance, s *consulwire.ServiceRegistration, taken []*catalog.Instance) ([]*unit, error) {
	if s.Connect == nil || s.Connect.SidecarService == nil {
		return nil, nil
	}
	asked := *s.Connect.SidecarService
	if err := ValidateServiceMeta(asked.Kind, asked.Meta); err != nil {
		return nil, unlikeService("Invalid SidecarService: %v", err)
	}
	fillSidecar(&asked, of)
	if asked.Port < 1 {
		if asked.Port = sidecarPort(asked.ID, taken); asked.Port == 0 {
			return nil, unlikeService("Invalid SidecarService: no port provided for sidecar_service and none left in the configured range [%d, %d]",
				firstSidecarPort, lastSidecarPort)
		}
	}
	if asked.Check.Empty() && len(asked.Checks) == 0 {
		asked.Checks = defaultSidecarChecks(&asked, of.ID)
	}
	proxy, err := r.unit(&asked)
	if err != nil {
		return nil, ofSidecar(err)
	}
	proxy.instance.Sidecar = true
	return []*unit{proxy}, nil
}

// ofSidecar returns what is wrong with a service as what is wrong with a sidecar, in Consul's words.
func ofSidecar(err error) error {
	refused, ok := errors.AsType[*InvalidError](err)
	if !ok {
		return err
	}
	if rest, ok := strings.CutPrefix(refused.Reason, "Validation failed: "); ok {
		return invalid("Failed Validation: %s", rest)
	}
	return unlikeService("%s", strings.Replace(refused.Reason, "Invalid check: ", "Invalid check in sidecar_service: ", 1))
}

// unlikeService is a refusal that Consul means to be like that of a service, but makes a failure of its own.
func unlikeService(format string, args ...any) error {
	return &RefusedError{"Bad request: " + fmt.Sprintf(format, args...)}
}

// fillSidecar completes the registration of a proxy from the service that it is for.
func fillSidecar(asked *consulwire.ServiceRegistration, of *catalog.Instance) {
	asked.ID = of.ID + sidecarSuffix
	if len(asked.Meta) == 0 {
		asked.Meta = maps.Clone(of.Meta)
	}
	if len(asked.Tags) == 0 {
		asked.Tags = of.Tags
	}
	setIfEmpty(&asked.Kind, consulwire.KindConnectProxy)
	setIfEmpty(&asked.Name, of.Service+sidecarSuffix)
	setIfEmpty(&asked.Address, of.Address)
	var proxy consulwire.Proxy
	if asked.Proxy != nil {
		proxy = *asked.Proxy
	}
	setIfEmpty(&proxy.DestinationServiceName, of.Service)
	setIfEmpty(&proxy.DestinationServiceID, of.ID)
	switch {
	case proxy.LocalServiceSocketPath != "" || proxy.LocalServiceAddress != "" && proxy.LocalServicePort > 0:
	case of.SocketPath != "":
		proxy.LocalServiceSocketPath = of.SocketPath
	default:
		setIfEmpty(&proxy.LocalServiceAddress, "127.0.0.1")
		if proxy.LocalServicePort < 1 {
			proxy.LocalServicePort = of.Port
		}
	}
	asked.Proxy = &proxy
}

func setIfEmpty(field *string, value string) {
	if *field == "" {
		*field = value
	}
}

// sidecarPort returns the lowest port that is free, or the one that the proxy of that ID has already; 0 if there is none.
func sidecarPort(id string, taken []*catalog.Instance) int {
	used := map[int]bool{}
	for _, other := range taken {
		if other.Port < firstSidecarPort || other.Port > lastSidecarPort {
			continue
		}
		if other.ID == id {
			return other.Port
		}
		used[other.Port] = true
	}
	for port := firstSidecarPort; port <= lastSidecarPort; port++ {
		if !used[port] {
			return port
		}
	}
	return 0
}

// defaultSidecarChecks asks whether the proxy listens, and follows the service.
func defaultSidecarChecks(s *consulwire.ServiceRegistration, of string) []*consulwire.CheckRegistration {
	return []*consulwire.CheckRegistration{
		{
			Name: "Connect Sidecar Listening", Interval: consulwire.Duration(10 * time.Second),
			TCP: net.JoinHostPort(s.Proxy.LocalServiceAddress, strconv.Itoa(s.Port)),
		},
		{Name: fmt.Sprintf("Connect Sidecar Aliasing %s", of), AliasService: of},
	}
}

// localInstances returns what is registered with this agent.
func (r *Registrar) localInstances() []*catalog.Instance {
	var local []*catalog.Instance
	for _, i := range r.cfg.Catalog.View().NodeInstances(r.cfg.Node) {
		if i.Local {
			local = append(local, i)
		}
	}
	return local
}

// proxyOf returns what a proxy is to do, with the types of its upstreams.
func proxyOf(s *consulwire.ServiceRegistration) consulwire.Proxy {
	if s.Proxy == nil {
		return consulwire.Proxy{}
	}
	for n := range s.Proxy.Upstreams {
		setIfEmpty(&s.Proxy.Upstreams[n].DestinationType, "service")
	}
	return *s.Proxy
}

// WarnOfMesh tells of a service that takes part in a mesh which is not here.
func (r *Registrar) WarnOfMesh(i *consulwire.NodeService) {
	if i.Kind == consulwire.KindConnectProxy || consulwire.IsGateway(i.Kind) || i.Connect.Native {
		r.cfg.Logger.Warn("the service counts on a mesh, which this agent does not have: it is kept and found, but nothing configures or secures it",
			"service", i.Service, "id", i.ID, "kind", i.Kind)
	}
}
