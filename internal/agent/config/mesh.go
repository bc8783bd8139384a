package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pandakit/panda/internal/agent/registrar"
	"github.com/pandakit/panda/internal/consulwire"
)

// meshKeys are what a service says of its place in a mesh: it is kept and told, and nothing here acts on it.
func meshKeys(t table[serviceDefinition]) {
	t.take("kind", textKey(func(s *serviceDefinition) *string { return &s.Kind }))
	t.take("proxy", objectKey(func(r *reader, s *serviceDefinition, v *value, name string) {
		s.Proxy = new(consulwire.Proxy)
		decode(r, s.Proxy, v, proxyKeys(), "", name+".")
	}))
	t.take("connect.native", boolKey(func(s *serviceDefinition) *bool { return &connectOf(s).Native }))
	t.take("connect.sidecar_service", objectKey(func(r *reader, s *serviceDefinition, v *value, name string) {
		sidecar := readUnnamed(r, v, name)
		if sidecar.ID != "" {
			r.fail(v.line, "%s can't specify an ID", name)
		}
		connectOf(s).SidecarService = sidecar
	}))
}

func connectOf(s *serviceDefinition) *consulwire.ConnectRegistration {
	if s.Connect == nil {
		s.Connect = &consulwire.ConnectRegistration{}
	}
	return s.Connect
}

// validateMesh says what is wrong with a service's place in a mesh.
func validateMesh(r *reader, v *value, s *serviceDefinition) {
	if !slices.Contains([]string{consulwire.KindConnectProxy, consulwire.KindMeshGateway, consulwire.KindTerminatingGateway, consulwire.KindIngressGateway}, s.Kind) {
		s.Kind = "" // as Consul reads its files
	}
	if err := registrar.ValidateMember(registrar.Member{
		Kind: s.Kind, Port: s.Port, SocketPath: s.SocketPath, Proxy: s.Proxy, Connect: s.Connect,
	}); err != nil {
		r.fail(v.line, "service %s: %s", s.Name, strings.TrimSpace(err.Error()))
	}
}

func proxyKeys() table[consulwire.Proxy] {
	type proxy = consulwire.Proxy
	t := table[proxy]{}
	for name, at := range map[string]func(*proxy) *string{
		"destination_service_name":  func(p *proxy) *string { return &p.DestinationServiceName },
		"destination_service_id":    func(p *proxy) *string { return &p.DestinationServiceID },
		"local_service_address":     func(p *proxy) *string { return &p.LocalServiceAddress },
		"local_service_socket_path": func(p *proxy) *string { return &p.LocalServiceSocketPath },
	} {
		t.take(name, textKey(at))
	}
	t.take("local_service_port", intKey(func(p *proxy) *int { return &p.LocalServicePort }))
	t.take("mode", oneOfKey(func(p *proxy) *string { return &p.Mode }, "", "direct", "transparent"))
	t.take("mesh_gateway.mode", oneOfKey(func(p *proxy) *string { return &p.MeshGateway.Mode }, gatewayModes()...))
	t.take("transparent_proxy.outbound_listener_port", intKey(func(p *proxy) *int { return &p.TransparentProxy.OutboundListenerPort }))
	t.take("transparent_proxy.dialed_directly", boolKey(func(p *proxy) *bool { return &p.TransparentProxy.DialedDirectly }))
	t.take("expose.checks", boolKey(func(p *proxy) *bool { return &p.Expose.Checks }))
	t.take("expose.paths", objectsKey(func(r *reader, p *proxy, v *value, name string) {
		var path consulwire.ExposePath
		decode(r, &path, v, exposeKeys(), "", name+".")
		p.Expose.Paths = append(p.Expose.Paths, path)
	}))
	t.judge(ignored, "", "expose.port")
	t.take("upstreams", objectsKey(func(r *reader, p *proxy, v *value, name string) {
		upstream := consulwire.Upstream{DestinationType: "service"}
		decode(r, &upstream, v, upstreamKeys(), "", name+".")
		p.Upstreams = append(p.Upstreams, upstream)
	}))
	t.take("config", anyKey(func(p *proxy) *map[string]any { return &p.Config }))
	withoutUnderscores(t)
	return t
}

func gatewayModes() []string { return []string{"", "none", "local", "remote"} }

func upstreamKeys() table[consulwire.Upstream] {
	type upstream = consulwire.Upstream
	t := table[upstream]{}
	for name, at := range map[string]func(*upstream) *string{
		"destination_type":       func(u *upstream) *string { return &u.DestinationType },
		"destination_namespace":  func(u *upstream) *string { return &u.DestinationNamespace },
		"destination_partition":  func(u *upstream) *string { return &u.DestinationPartition },
		"destination_name":       func(u *upstream) *string { return &u.DestinationName },
		"datacenter":             func(u *upstream) *string { return &u.Datacenter },
		"local_bind_address":     func(u *upstream) *string { return &u.LocalBindAddress },
		"local_bind_socket_path": func(u *upstream) *string { return &u.LocalBindSocketPath },
		"local_bind_socket_mode": func(u *upstream) *string { return &u.LocalBindSocketMode },
	} {
		t.take(name, textKey(at))
	}
	t.take("local_bind_port", intKey(func(u *upstream) *int { return &u.LocalBindPort }))
	t.take("mesh_gateway.mode", oneOfKey(func(u *upstream) *string { return &u.MeshGateway.Mode }, gatewayModes()...))
	t.take("config", anyKey(func(u *upstream) *map[string]any { return &u.Config }))
	withoutUnderscores(t)
	return t
}

func exposeKeys() table[consulwire.ExposePath] {
	type path = consulwire.ExposePath
	t := table[path]{}
	t.take("listener_port", intKey(func(p *path) *int { return &p.ListenerPort }))
	t.take("local_path_port", intKey(func(p *path) *int { return &p.LocalPathPort }))
	t.take("path", textKey(func(p *path) *string { return &p.Path }))
	t.take("protocol", textKey(func(p *path) *string { return &p.Protocol }))
	withoutUnderscores(t)
	return t
}

// withoutUnderscores makes the names of fields in camel case further names of the keys.
func withoutUnderscores[T any](t table[T]) {
	for name, k := range t {
		if other := strings.ReplaceAll(name, "_", ""); other != name && k.of == "" && !strings.Contains(name, ".") {
			t.alias(name, other)
		}
	}
}

// oneOfKey reads a text that is one of those given.
func oneOfKey[T any](at func(*T) *string, allowed ...string) func(*reader, *T, value, string) {
	return func(r *reader, into *T, v value, name string) {
		if !r.is(v, text, name) {
			return
		}
		if !slices.Contains(allowed, v.text) {
			r.fail(v.line, "%s is %q, not one of %q", name, v.text, allowed[1:])
			return
		}
		*at(into) = v.text
	}
}

// anyKey reads an object of whatever the user likes.
func anyKey[T any](at func(*T) *map[string]any) func(*reader, *T, value, string) {
	return func(r *reader, into *T, v value, name string) {
		all := map[string]any{}
		r.each(v, name, func(f field) { all[f.name] = r.plain(f.value, name+"."+f.name) })
		*at(into) = all
	}
}

// plain returns a value as JSON is read.
func (r *reader) plain(v value, name string) any {
	switch v.kind {
	case boolean:
		return v.yes
	case text:
		return v.text
	case number:
		n, err := strconv.ParseFloat(v.text, 64)
		if err != nil {
			r.fail(v.line, "%s is %s, which is no number", name, v.text)
		}
		return n
	case list:
		items := make([]any, len(v.items))
		for n, item := range v.items {
			items[n] = r.plain(item, fmt.Sprintf("%s[%d]", name, n))
		}
		return items
	case object:
		fields := make(map[string]any, len(v.fields))
		for _, f := range v.fields {
			fields[f.name] = r.plain(f.value, name+"."+f.name)
		}
		return fields
	case null:
	}
	return nil
}
