package panda

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/pandakit/panda/discovery/consul"
)

func TestChooseAdvertised(t *testing.T) {
	t.Parallel()
	lan := []string{"127.0.0.1", "fe80::1", "203.0.113.9", "192.168.1.7", "10.0.0.3"}
	for _, test := range []struct {
		name       string
		listen     string
		configured string
		hosts      []string
		local      bool
		interfaces []string
		source     string
		want       string // host, or a part of the error after "error: "
	}{
		{name: "loopback beside a local registry", listen: "127.0.0.1:80", local: true, want: "127.0.0.1"},
		{name: "IPv6 loopback beside a local registry", listen: "[::1]:80", local: true, want: "::1"},
		{name: "loopback beside a remote registry", listen: "127.0.0.1:80", hosts: []string{"10.9.9.9"}, want: "error: set PANDA_ADDR"},
		{name: "one address", listen: "192.168.1.7:80", hosts: []string{"10.9.9.9"}, want: "192.168.1.7"},
		{name: "one IPv6 address", listen: "[2001:db8::7]:80", hosts: []string{"10.9.9.9"}, want: "2001:db8::7"},
		{name: "every interface, routed", listen: "[::]:80", hosts: []string{"10.9.9.9"}, interfaces: lan, source: "10.0.0.3", want: "10.0.0.3"},
		{name: "every interface, no route", listen: "[::]:80", hosts: []string{"10.9.9.9"}, interfaces: lan, want: "192.168.1.7"},
		{name: "every interface, route is loopback", listen: "0.0.0.0:80", hosts: []string{"myself"}, interfaces: lan, source: "127.0.0.1", want: "192.168.1.7"},
		{name: "every interface beside a local registry", listen: "[::]:80", local: true, interfaces: lan, source: "127.0.0.1", want: "192.168.1.7"},
		{name: "only a public address", listen: "[::]:80", local: true, interfaces: []string{"203.0.113.9"}, want: "203.0.113.9"},
		{name: "nothing but loopback, local registry", listen: "[::]:80", local: true, interfaces: []string{"127.0.0.1"}, want: "127.0.0.1"},
		{name: "nothing but loopback, remote registry", listen: "[::]:80", hosts: []string{"10.9.9.9"}, interfaces: []string{"127.0.0.1"}, want: "error: set PANDA_ADVERTISE"},
		{name: "configured", listen: "127.0.0.1:80", configured: "shop.example", hosts: []string{"10.9.9.9"}, want: "shop.example"},
		{name: "configured IPv6", listen: "[::]:80", configured: "2001:db8::1", want: "2001:db8::1"},
		{name: "configured IPv6 in brackets", listen: "[::]:80", configured: "[2001:db8::1]", want: "2001:db8::1"},
		{name: "configured unspecified", listen: "[::]:80", configured: "0.0.0.0", want: `error: "0.0.0.0"`},
		{name: "configured with a wrong port", listen: "[::]:80", configured: "a:99999", want: `error: "99999"`},
		{name: "configured with junk", listen: "[::]:80", configured: "http://a/", want: `error: "http://a/"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := chooseAdvertised(netip.MustParseAddrPort(test.listen), test.configured, test.hosts, test.local, network{
				interfaces: func() (found []netip.Addr, err error) {
					for _, i := range test.interfaces {
						found = append(found, netip.MustParseAddr(i))
					}
					return found, nil
				},
				source: func(string) (netip.Addr, error) {
					if test.source == "" {
						return netip.Addr{}, errors.New("no route")
					}
					return netip.MustParseAddr(test.source), nil
				},
			})
			if part, ok := strings.CutPrefix(test.want, "error: "); ok {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Fatalf("got %v, error %v; want an error with %q", got, err, part)
				}
				return
			}
			if err != nil || got.host != test.want || got.port != 80 || got.reason == "" {
				t.Fatalf("got %+v, error %v; want host %s, port 80 and a reason", got, err, test.want)
			}
		})
	}
}

func TestConfiguredPortIsAdvertised(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]advertised{
		"gateway.example:443": {host: "gateway.example", port: 443},
		"[2001:db8::1]:443":   {host: "2001:db8::1", port: 443},
		"198.51.100.1:1":      {host: "198.51.100.1", port: 1},
		"198.51.100.1":        {host: "198.51.100.1", port: 80},
	} {
		got, err := configuredAddress(value, 80)
		if err != nil || got.host != want.host || got.port != want.port {
			t.Errorf("configuredAddress(%q) = %+v, %v; want %s port %d", value, got, err, want.host, want.port)
		}
	}
}

func TestRegistryHosts(t *testing.T) {
	t.Parallel()
	for addresses, want := range map[string][]string{
		"127.0.0.1:8500":                              {"127.0.0.1"},
		"http://localhost:8500":                       {"localhost"},
		"https://consul.example":                      {"consul.example"},
		"https://[::1]/consul":                        {"::1"},
		"[::1]:8500,unix:///run/consul.sock,10.0.0.1": {"::1", "10.0.0.1"},
	} {
		registry, err := consul.New(consul.Config{Addresses: strings.Split(addresses, ",")})
		if err != nil {
			t.Fatal(err)
		}
		if got, loopback := registryHosts(registry); !slices.Equal(got, want) || loopback != (len(want) == 1 && isLoopback(want[0])) {
			t.Errorf("registryHosts of %q = %q, %v, want %q", addresses, got, loopback, want)
		}
	}
	for host, want := range map[string]bool{"127.0.0.1": true, "::1": true, "localhost": true, "::ffff:127.0.0.1": true, "10.0.0.1": false, "consul": false} {
		if got := isLoopback(host); got != want {
			t.Errorf("isLoopback(%q) = %v, want %v", host, got, want)
		}
	}
}
