package registrar

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"strconv"
	"strings"

	"github.com/pandakit/panda/internal/consulwire"
)

// deepestConfig is how far objects and lists of a proxy's own configuration may be inside each other.
const deepestConfig = 32

// wanFederation is the one reserved key of metadata that a gateway may have.
const wanFederation = "consul-wan-federation"

// ValidateServiceMeta says what is wrong with the metadata of a service of the kind.
func ValidateServiceMeta(kind string, meta map[string]string) error {
	if _, given := meta[wanFederation]; given && kind == consulwire.KindMeshGateway {
		meta = maps.Clone(meta)
		delete(meta, wanFederation)
	}
	return ValidateMeta(meta)
}

// Member is what a registration says of a service's place in a mesh.
type Member struct {
	Kind       string
	Port       int
	SocketPath string
	Proxy      *consulwire.Proxy // nil: nothing
	Connect    *consulwire.ConnectRegistration
}

// ValidateMember says, in Consul's words, all that is wrong with a service's place in a mesh.
func ValidateMember(m Member) error {
	v := &memberProblems{Member: m}
	if v.Proxy == nil {
		v.Proxy = &consulwire.Proxy{}
	}
	if v.Connect == nil {
		v.Connect = &consulwire.ConnectRegistration{}
	}
	if m.Kind == consulwire.KindConnectProxy {
		v.proxy()
	}
	if consulwire.IsGateway(m.Kind) {
		v.gateway()
	}
	v.sidecar()
	v.depth()
	return v.all()
}

type memberProblems struct {
	Member
	problems []string
}

func (v *memberProblems) add(when bool, format string, args ...any) {
	if when {
		v.problems = append(v.problems, fmt.Sprintf(format, args...))
	}
}

// all returns the problems as one error in the form that Consul lists them in.
func (v *memberProblems) all() error {
	if len(v.problems) == 0 {
		return nil
	}
	count := "1 error"
	if len(v.problems) > 1 {
		count = fmt.Sprintf("%d errors", len(v.problems))
	}
	return errors.New(count + " occurred:\n\t* " + strings.Join(v.problems, "\n\t* ") + "\n\n")
}

func (v *memberProblems) proxy() {
	v.add(strings.TrimSpace(v.Proxy.DestinationServiceName) == "", "Proxy.DestinationServiceName must be non-empty for Connect proxy services")
	v.add(v.Proxy.DestinationServiceName == "*", "Proxy.DestinationServiceName must not be a wildcard for Connect proxy services")
	v.add(v.Port == 0 && v.SocketPath == "", "Port or SocketPath must be set for a Connect proxy")
	v.add(v.Connect.Native, "A Proxy cannot also be Connect Native, only typical services")
	v.upstreams()
	v.exposed()
}

func (v *memberProblems) upstreams() {
	keys, addresses := map[string]bool{}, map[string]bool{}
	for n := range v.Proxy.Upstreams {
		u := &v.Proxy.Upstreams[n]
		if u.Datacenter != "" && !defaultOnly(u.DestinationPartition) {
			v.add(true, "upstreams cannot target another datacenter in non default partition")
			continue
		}
		if problem := upstreamProblem(u); problem != "" {
			v.add(true, "%s", problem)
			continue
		}
		key := fmt.Sprintf("[type=%q, name=%q, partition=%q, namespace=%q, datacenter=%q]",
			u.DestinationType, u.DestinationName, u.DestinationPartition, u.DestinationNamespace, u.Datacenter)
		if keys[key] {
			v.add(true, "upstreams cannot contain duplicates of %s", key)
			continue
		}
		keys[key] = true
		address := upstreamAddress(u)
		v.add(addresses[address] && !u.CentrallyConfigured,
			"upstreams cannot contain duplicates by local bind address and port or unix path; %q is specified twice", address)
		addresses[address] = true
	}
}

func upstreamProblem(u *consulwire.Upstream) string {
	switch {
	case u.DestinationType != "" && u.DestinationType != "service" && u.DestinationType != "prepared_query":
		return fmt.Sprintf("unknown upstream destination type: %q", u.DestinationType)
	case u.DestinationName == "":
		return "upstream destination name cannot be empty"
	case u.CentrallyConfigured:
		return ""
	case u.DestinationName == "*":
		return "upstream destination name cannot be a wildcard"
	case u.LocalBindPort == 0 && u.LocalBindSocketPath == "":
		return "upstream local bind port or local socket path must be defined and nonzero"
	case u.LocalBindPort != 0 && u.LocalBindSocketPath != "":
		return "only one of upstream local bind port or local socket path can be defined and nonzero"
	}
	return ""
}

func upstreamAddress(u *consulwire.Upstream) string {
	if u.LocalBindPort == 0 && u.LocalBindAddress == "" && u.LocalBindSocketPath != "" {
		return u.LocalBindSocketPath
	}
	host := u.LocalBindAddress
	if host == "" {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, strconv.Itoa(u.LocalBindPort))
}

func (v *memberProblems) exposed() {
	listeners := map[int]bool{}
	for _, p := range v.Proxy.Expose.Paths {
		v.add(p.Path == "", "expose.paths: empty path exposed")
		v.add(listeners[p.ListenerPort], "expose.paths: duplicate listener ports exposed")
		listeners[p.ListenerPort] = true
		v.add(p.ListenerPort <= 0 || p.ListenerPort > 65535, "expose.paths: invalid listener port: %d", p.ListenerPort)
		protocol := strings.ToLower(p.Protocol)
		v.add(protocol != "" && protocol != "http" && protocol != "http2",
			"protocol '%s' not supported for path: %s, must be in: [http http2]", protocol, p.Path)
	}
}

func (v *memberProblems) gateway() {
	v.add(v.Port == 0 && v.Kind != consulwire.KindIngressGateway, "Port must be non-zero for a %s", v.Kind)
	v.add(v.Connect.SidecarService != nil, "A %s cannot have a sidecar service defined", v.Kind)
	for _, field := range []struct {
		given bool
		name  string
	}{
		{v.Proxy.DestinationServiceName != "", "DestinationServiceName"},
		{v.Proxy.DestinationServiceID != "", "DestinationServiceID"},
		{v.Proxy.LocalServiceAddress != "", "LocalServiceAddress"},
		{v.Proxy.LocalServicePort != 0, "LocalServicePort"},
		{v.Proxy.LocalServiceSocketPath != "", "LocalServiceSocketPath"},
		{len(v.Proxy.Upstreams) > 0, "Upstreams"},
	} {
		v.add(field.given, "The Proxy.%s configuration is invalid for a %s", field.name, v.Kind)
	}
}

func (v *memberProblems) sidecar() {
	s := v.Connect.SidecarService
	if s == nil {
		return
	}
	v.add(s.ID != "", "A SidecarService cannot specify an ID as this is managed by the agent")
	v.add(s.Connect != nil && s.Connect.SidecarService != nil, "A SidecarService cannot have a nested SidecarService")
}

// depth bounds what is kept without being read: snapshots are read with a bounded depth.
func (v *memberProblems) depth() {
	v.add(deeper(v.Proxy.Config, deepestConfig), "Proxy.Config has more than %d levels", deepestConfig)
	for n := range v.Proxy.Upstreams {
		v.add(deeper(v.Proxy.Upstreams[n].Config, deepestConfig), "Proxy.Upstreams[%d].Config has more than %d levels", n, deepestConfig)
	}
}

// deeper reports whether a value has more levels of objects and lists than that.
func deeper(value any, levels int) bool {
	switch v := value.(type) {
	case map[string]any:
		for _, inner := range v {
			if levels == 0 || deeper(inner, levels-1) {
				return true
			}
		}
	case []any:
		for _, inner := range v {
			if levels == 0 || deeper(inner, levels-1) {
				return true
			}
		}
	}
	return false
}
