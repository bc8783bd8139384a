package panda

import (
	"testing"

	"github.com/pandakit/panda/discovery"
)

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
