package panda

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/discovery/inmemory"
)

// TestSilenceMovesRequestsThatWaitForAConnection has a host that is gone: nothing comes of a connection, also where the
// request is such that must not be sent twice.
func TestSilenceMovesRequestsThatWaitForAConnection(t *testing.T) {
	gone, err := net.Listen("tcp", "127.0.0.1:0") // takes what asks for a sign of life, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer gone.Close()
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }))
	defer other.Close()
	registry := inmemory.New()
	put := func(id string, address net.Addr) {
		at := address.(*net.TCPAddr)
		registry.Put(discovery.Instance{ID: id, Service: "web", Address: at.IP.String(), Port: at.Port, Weight: 1})
	}
	put("gone", gone.Addr())
	client := HTTPClient(WithRegistry(registry))
	defer client.CloseIdleConnections()
	dials := client.Transport.(*byName).dials
	waiting, connect := make(chan struct{}, 1), dials.connect
	dials.connect = func(ctx context.Context, network, address string) (net.Conn, error) {
		if address != gone.Addr().String() {
			return connect(ctx, network, address)
		}
		waiting <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	}
	go func() {
		<-waiting
		put("other", other.Listener.Addr())
	}()
	body := struct{ io.Reader }{strings.NewReader("once")} // which net/http does not know how to read twice
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://web.service.consul/", body)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if answer, err := io.ReadAll(response.Body); string(answer) != "once" || err != nil {
		t.Errorf("answered %q, %v", answer, err)
	}
	if len(dials.underway) != 0 {
		t.Errorf("%d connections are still being made", len(dials.underway))
	}
}

func TestSignsOfLifeAreAskedForWhereRequestsGo(t *testing.T) {
	t.Parallel()
	four, six := discovery.Instance{Address: "10.0.0.1", Port: 80}, discovery.Instance{Address: "fd00::1", Port: 80}
	for _, test := range []struct {
		key     groupKey
		to      discovery.Instance
		address string
		name    string // for TLS; "" without
	}{
		{groupKey{"web.service.consul", "", false}, four, "10.0.0.1:80", ""},
		{groupKey{"web.service.consul", "9090", false}, four, "10.0.0.1:9090", ""},
		{groupKey{"web.service.consul", "9090", false}, six, "[fd00::1]:9090", ""},
		{groupKey{"web.service.consul", "", true}, six, "[fd00::1]:80", "fd00::1"},
	} {
		question, name := test.key.question(test.to), ""
		if question.TLS != nil {
			name = question.TLS.ServerName
		}
		if question.Address != test.address || name != test.name || test.key.address(test.to) != test.address {
			t.Errorf("%+v asks %s, with TLS for %q; want %s, %q", test.key, question.Address, name, test.address, test.name)
		}
	}
}

func TestParseServiceName(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]serviceName{
		"web.service.consul":           {"", "web", ""},
		"v2.web.service.consul":        {"v2", "web", ""},
		"a.b.web.service.consul":       {"a.b", "web", ""},
		"web.service.dc2.consul":       {"", "web", "dc2"},
		"v2.web.service.dc2.consul":    {"v2", "web", "dc2"},
		"my-service.service.consul":    {"", "my-service", ""},
		"service.service.consul":       {"", "service", ""},
		"web.example":                  {},
		"consul":                       {},
		"service.consul":               {},
		"web.node.consul":              {},
		"web.service.dc2.extra.consul": {},
		"web.service.consul.example":   {},
		".service.consul":              {},
		"127.0.0.1":                    {},
	} {
		got, ok := parseServiceName(host)
		if ok != (want.service != "") || ok && got != want {
			t.Errorf("parseServiceName(%q) = %+v, %v; want %+v", host, got, ok, want)
		}
	}
}

func TestServiceNameMatches(t *testing.T) {
	t.Parallel()
	instance := discovery.Instance{Tags: []string{"V2", "blue"}, Datacenter: "dc1"}
	for name, want := range map[serviceName]bool{
		{"", "web", ""}:      true,
		{"v2", "web", ""}:    true,
		{"v3", "web", ""}:    false,
		{"", "web", "DC1"}:   true,
		{"", "web", "dc2"}:   false,
		{"v2", "web", "dc2"}: false,
	} {
		if why := name.refuses(instance); (why == "") != want {
			t.Errorf("%+v refuses with %q, want a match: %v", name, why, want)
		}
	}
}
