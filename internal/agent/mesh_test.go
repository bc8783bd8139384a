package agent_test

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"

	"github.com/pandakit/panda/internal/agent"
)

// withSidecar is a service that brings its proxy.
func withSidecar(port int) *api.AgentServiceRegistration {
	return &api.AgentServiceRegistration{Name: "web", Port: port, Tags: []string{"a"}, Meta: map[string]string{"k": "v"}, Connect: &api.AgentServiceConnect{
		SidecarService: &api.AgentServiceRegistration{Proxy: &api.AgentServiceConnectProxyConfig{
			Config:    map[string]any{"n": 1.5, "deep": map[string]any{"list": []any{"x", true, nil}}},
			Upstreams: []api.Upstream{{DestinationName: "db", LocalBindPort: 9000}},
		}},
	}}
}

// proxyOf returns the one instance that stands for the service in a mesh.
func (r *running) proxyOf(t *testing.T, service string) *api.ServiceEntry {
	t.Helper()
	entries, _, err := r.client.Health().Connect(service, "", false, nil)
	if err != nil || len(entries) != 1 {
		t.Fatalf("%s in a mesh: %s, %v", service, describe(entries), err)
	}
	return entries[0]
}

// TestASidecarLivesWithItsService holds what a service's proxy is filled with, that it keeps its port, survives a restart
// and a snapshot, and goes with its service.
func TestASidecarLivesWithItsService(t *testing.T) {
	cfg := agent.Config{DataDir: t.TempDir()}
	a := start(t, cfg)
	a.register(t, withSidecar(80))
	first := a.proxyOf(t, "WEB")
	if s := first.Service; s.Kind != api.ServiceKindConnectProxy || s.ID != "web-sidecar-proxy" || s.Service != "web-sidecar-proxy" || s.Port != 21000 ||
		s.Tags[0] != "a" || s.Meta["k"] != "v" || s.Proxy.DestinationServiceID != "web" || s.Proxy.LocalServicePort != 80 ||
		s.Proxy.LocalServiceAddress != "127.0.0.1" || s.Proxy.Upstreams[0].DestinationType != api.UpstreamDestTypeService {
		t.Errorf("proxy: %+v %+v", s, s.Proxy)
	}
	if !strings.Contains(a.log.String(), "nothing configures or secures it") || strings.Count(a.log.String(), "counts on a mesh") != 1 {
		t.Errorf("the log has not one warning: %s", a.log)
	}
	var names []string
	for _, c := range first.Checks {
		names = append(names, c.CheckID+"="+c.Name)
	}
	if got := strings.Join(names[1:], ","); got != "service:web-sidecar-proxy:1=Connect Sidecar Listening,service:web-sidecar-proxy:2=Connect Sidecar Aliasing web" {
		t.Errorf("checks %q", got)
	}
	a.register(t, &api.AgentServiceRegistration{Name: "other", Connect: &api.AgentServiceConnect{SidecarService: &api.AgentServiceRegistration{}}})
	a.register(t, withSidecar(81))
	if again := a.proxyOf(t, "web").Service; again.Port != 21000 || again.Proxy.LocalServicePort != 81 || a.proxyOf(t, "other").Service.Port != 21001 {
		t.Errorf("registered again: %+v", again)
	}
	before := a.proxyOf(t, "web").Service
	a.stop()
	b := start(t, cfg)
	if after := b.proxyOf(t, "web").Service; !reflect.DeepEqual(before, after) {
		t.Errorf("after a restart %+v\n%+v, before\n%+v\n%+v", after, after.Proxy, before, before.Proxy)
	}
	if err := b.client.Agent().ServiceDeregister("web"); err != nil {
		t.Fatal(err)
	}
	services, err := b.client.Agent().Services()
	if err != nil || len(services) != 2 || services["other"] == nil || services["other-sidecar-proxy"] == nil {
		t.Errorf("without web: %v, %v", services, err)
	}
}

// TestMeshMembersOfTheCatalog holds that what is registered without an agent is found, waited for, saved and restored.
func TestMeshMembersOfTheCatalog(t *testing.T) {
	a := start(t, agent.Config{})
	write := func(service *api.AgentService) {
		t.Helper()
		if _, err := a.client.Catalog().Register(&api.CatalogRegistration{Node: "n2", Address: "10.0.0.2", Service: service}, nil); err != nil {
			t.Fatal(err)
		}
	}
	proxy := &api.AgentService{
		ID: "p1", Service: "front", Kind: api.ServiceKindConnectProxy, Port: 1000,
		Proxy: &api.AgentServiceConnectProxyConfig{
			DestinationServiceName: "db", Mode: api.ProxyModeTransparent, TransparentProxy: &api.TransparentProxyConfig{OutboundListenerPort: 9},
			Config: map[string]any{"a": map[string]any{"b": []any{1.5, "\U0010ff41"}}}, MeshGateway: api.MeshGatewayConfig{Mode: api.MeshGatewayModeLocal},
			Expose: api.ExposeConfig{Checks: true, Paths: []api.ExposePath{{ListenerPort: 5, Path: "/", LocalPathPort: 6, Protocol: "http"}}},
		},
	}
	_, meta, err := a.client.Health().Connect("db", "", false, nil)
	if err != nil {
		t.Fatal(err)
	}
	woken := make(chan []*api.ServiceEntry, 1)
	go func() {
		entries, _, err := a.client.Health().Connect("db", "", false, &api.QueryOptions{WaitIndex: meta.LastIndex, WaitTime: patience})
		if err != nil {
			t.Error(err)
		}
		woken <- entries
	}()
	write(proxy)
	if entries := <-woken; len(entries) != 1 || !reflect.DeepEqual(entries[0].Service.Proxy, proxy.Proxy) {
		t.Errorf("woken with %s", describe(entries))
	}
	saved, _, err := a.client.Snapshot().Save(nil)
	if err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	_, err = archive.ReadFrom(saved)
	if err = firstOf(err, saved.Close()); err != nil {
		t.Fatal(err)
	}
	write(&api.AgentService{ID: "p1", Service: "front", Connect: &api.AgentServiceConnect{Native: true}})
	if s := a.proxyOf(t, "front").Service; !s.Connect.Native || s.Kind != "" {
		t.Errorf("native: %+v", s)
	}
	if err := a.client.Snapshot().Restore(nil, &archive); err != nil {
		t.Fatal(err)
	}
	if s := a.proxyOf(t, "db").Service; !reflect.DeepEqual(s.Proxy, proxy.Proxy) {
		t.Errorf("restored: %+v", s.Proxy)
	}
	listed, _, err := a.client.Catalog().Service("front", "", &api.QueryOptions{Filter: `ServiceProxy.DestinationServiceName == db and ServiceKind == "connect-proxy"`})
	if err != nil || len(listed) != 1 {
		t.Errorf("filtered: %v, %v", listed, err)
	}
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func TestRefusedMeshMembers(t *testing.T) {
	a := start(t, agent.Config{})
	deep := strings.Repeat(`{"a":`, 40) + `1` + strings.Repeat(`}`, 40)
	for body, want := range map[string]string{
		`{"Name":"p","Kind":"connect-proxy"}`:                                                                                                       "Bad request: Validation failed: 2 errors occurred:\n\t* Proxy.DestinationServiceName must be non-empty for Connect proxy services\n\t* Port or SocketPath must be set",
		`{"Name":"p","Kind":"connect-proxy","Port":1,"Proxy":{"DestinationServiceName":"*"}}`:                                                       "must not be a wildcard",
		`{"Name":"p","Kind":"connect-proxy","Port":1,"Connect":{"Native":true},"Proxy":{"DestinationServiceName":"a"}}`:                             "A Proxy cannot also be Connect Native",
		`{"Name":"p","Kind":"connect-proxy","Port":1,"Proxy":{"DestinationServiceName":"a","Upstreams":[{"DestinationName":"b"}]}}`:                 "1 error occurred:\n\t* upstream local bind port or local socket path",
		`{"Name":"p","Kind":"connect-proxy","Port":1,"Proxy":{"DestinationServiceName":"a","Nope":1}}`:                                              `json: unknown field "Nope"`,
		`{"Name":"p","Kind":"connect-proxy","Port":1,"Proxy":{"destination_service_name":"a","expose":{"Paths":[{"listener_port":0,"Path":"/"}]}}}`: "invalid listener port: 0",
		`{"Name":"g","Kind":"mesh-gateway"}`:                                                                        "Port must be non-zero for a mesh-gateway",
		`{"Name":"g","Port":1,"Kind":"mesh-gateway","Connect":{"sidecar_service":{}}}`:                              "A mesh-gateway cannot have a sidecar service defined",
		`{"Name":"w","Connect":{"SidecarService":{"ID":"x"}}}`:                                                      "A SidecarService cannot specify an ID",
		`{"Name":"w","Connect":{"SidecarService":{"Connect":{"SidecarService":{}}}}}`:                               "cannot have a nested SidecarService",
		`{"Name":"w","Connect":{"SidecarService":{"Check":{"Name":"x"}}}}`:                                          "Bad request: Invalid check in sidecar_service: ",
		`{"Name":"w","Connect":{"SidecarService":{"Meta":{"a b":"c"}}}}`:                                            "Bad request: Invalid SidecarService: ",
		`{"Name":"w","Connect":{"SidecarService":{"Proxy":{"Upstreams":[{}]}}}}`:                                    "Failed Validation: 1 error occurred:\n\t* upstream destination name cannot be empty",
		`{"Name":"p","Kind":"connect-proxy","Port":1,"Proxy":{"DestinationServiceName":"a","Config":` + deep + `}}`: "Proxy.Config has more than 32 levels",
	} {
		response, text := a.do(t, "PUT", "/v1/agent/service/register", body)
		status := 400
		if strings.HasPrefix(want, "Bad request: Invalid") { // as in Consul
			status = 500
		}
		if response.StatusCode != status || !strings.Contains(text, want) {
			t.Errorf("%s: %d %q, want %d %q", body, response.StatusCode, text, status, want)
		}
	}
	if services, err := a.client.Agent().Services(); err != nil || len(services) != 0 {
		t.Errorf("kept %v, %v", services, err)
	}
}
