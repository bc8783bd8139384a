package panda

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/discovery/consul"
)

// world is a machine for the choice of an address: its interfaces, and the address that packets leave from by where they go,
// "*" for anywhere. A host that is not in it has no route, or no address yet.
type world struct {
	interfaces []string
	source     map[string]string
}

func (w world) network() network {
	return network{
		interfaces: func() (found []netip.Addr, err error) {
			for _, i := range w.interfaces {
				found = append(found, netip.MustParseAddr(i))
			}
			return found, nil
		},
		source: func(_ context.Context, host string) (netip.Addr, error) {
			for _, to := range []string{host, "*"} {
				if source, ok := w.source[to]; ok {
					return netip.MustParseAddr(source), nil
				}
			}
			return netip.Addr{}, errors.New("no route")
		},
	}
}

func TestChooseAdvertised(t *testing.T) {
	t.Parallel()
	lan := []string{"127.0.0.1", "fe80::1", "203.0.113.9", "192.168.1.7", "10.0.0.3"}
	bridges := []string{"127.0.0.1", "172.18.0.2", "172.19.0.2"}
	far, here := surroundings{hosts: []string{"10.9.9.9"}}, surroundings{loopback: true}
	sidecar := surroundings{hosts: []string{"10.0.0.3"}, beside: true}
	away := surroundings{loopback: true, unknown: errors.New("connection refused")}
	to := func(source string) map[string]string { return map[string]string{"*": source} }
	for _, test := range []struct {
		name       string
		listen     string
		byDefault  bool
		configured string
		where      surroundings
		world      world
		want       string // host, host:port if the port is not 80, or a part of the error after "error: "
	}{
		{name: "loopback beside a local registry", listen: "127.0.0.1:80", where: here, want: "127.0.0.1"},
		{name: "IPv6 loopback beside a local registry", listen: "[::1]:80", where: here, want: "::1"},
		{name: "loopback beside a remote registry", listen: "127.0.0.1:80", where: far, want: "error: its registry (10.9.9.9) is elsewhere; set PANDA_ADDR"},
		{name: "one address", listen: "192.168.1.7:80", where: far, want: "192.168.1.7"},
		{name: "one IPv6 address", listen: "[2001:db8::7]:80", where: far, want: "2001:db8::7"},
		{name: "an address with a zone", listen: "[fe80::7%eth0]:80", where: far, want: "error: zone means nothing"},
		{name: "every interface, routed", listen: "[::]:80", where: far, world: world{lan, to("10.0.0.3")}, want: "10.0.0.3"},
		{name: "every interface, no route, one address", listen: "[::]:80", where: far, world: world{interfaces: []string{"127.0.0.1", "fe80::1", "10.0.0.3"}}, want: "10.0.0.3"},
		{name: "every interface, no route, several", listen: "[::]:80", where: far, world: world{interfaces: lan}, want: "error: undecided: no route"},
		{name: "every interface, route is loopback", listen: "0.0.0.0:80", where: surroundings{hosts: []string{"myself"}}, world: world{lan, to("127.0.0.1")}, want: "192.168.1.7"},
		{name: "every interface beside a local registry", listen: "[::]:80", where: here, world: world{interfaces: lan}, want: "192.168.1.7"},
		{name: "the way to the world", listen: "[::]:80", where: here, world: world{lan, map[string]string{anywhere4: "203.0.113.9"}}, want: "203.0.113.9"},
		{name: "the way to the world by IPv6", listen: "[::]:80", where: here, world: world{lan, map[string]string{anywhere6: "fd00::9"}}, want: "fd00::9"},
		{name: "only a public address", listen: "[::]:80", where: here, world: world{interfaces: []string{"203.0.113.9"}}, want: "203.0.113.9"},
		{name: "nothing but loopback, local registry", listen: "[::]:80", where: here, world: world{interfaces: []string{"127.0.0.1"}}, want: "127.0.0.1"},
		{name: "nothing but loopback, remote registry", listen: "[::]:80", where: far, world: world{interfaces: []string{"127.0.0.1"}}, want: "error: set PANDA_ADVERTISE"},

		{name: "two networks, the registry's", listen: "[::]:80", where: surroundings{hosts: []string{"consul"}}, world: world{bridges, map[string]string{"consul": "172.19.0.2", anywhere4: "172.18.0.2"}}, want: "172.19.0.2"},
		{name: "two networks, the registry is not up", listen: "[::]:80", where: surroundings{hosts: []string{"consul"}}, world: world{bridges, map[string]string{anywhere4: "172.18.0.2"}}, want: "error: undecided: no route"},
		{name: "the second of several registries", listen: "[::]:80", where: surroundings{hosts: []string{"gone", "consul"}}, world: world{bridges, map[string]string{"consul": "172.19.0.2"}}, want: "172.19.0.2"},
		{name: "IPv6 network, unique local", listen: "[::]:80", where: surroundings{hosts: []string{"fd00::1"}}, world: world{nil, to("fd00::5")}, want: "fd00::5"},
		{name: "IPv6 network, global", listen: "[::]:80", where: surroundings{hosts: []string{"2001:db8::1"}}, world: world{nil, to("2001:db8::5")}, want: "2001:db8::5"},
		{name: "IPv4 alone, registry by IPv6", listen: "0.0.0.0:80", where: surroundings{hosts: []string{"fd00::1"}}, world: world{append([]string{"fd00::5"}, lan...), to("fd00::5")}, want: "192.168.1.7"},

		{name: "beside an agent of a cluster", listen: "[::]:80", where: sidecar, world: world{lan, to("10.0.0.3")}, want: "10.0.0.3"},
		{name: "loopback beside an agent of a cluster", listen: "127.0.0.1:80", where: sidecar, world: world{lan, to("10.0.0.3")}, want: "error: its registry's agent is 10.0.0.3 to others; set PANDA_ADDR"},
		{name: "loopback by default beside an agent of a cluster", listen: "127.0.0.1:80", byDefault: true, where: sidecar, world: world{lan, to("10.0.0.3")}, want: "10.0.0.3:0"},
		{name: "one address beside an agent that is away", listen: "10.0.0.3:80", where: away, want: "10.0.0.3"},
		{name: "every interface beside an agent that is away", listen: "[::]:80", where: away, world: world{lan, to("10.0.0.3")}, want: "error: undecided: connection refused"},
		{name: "loopback beside an agent that is away", listen: "127.0.0.1:80", byDefault: true, where: away, want: "error: undecided: connection refused"},

		{name: "configured", listen: "127.0.0.1:80", configured: "shop.example", where: far, want: "shop.example"},
		{name: "configured beside an agent that is away", listen: "127.0.0.1:80", configured: "shop.example", where: away, want: "shop.example"},
		{name: "configured IPv6", listen: "[::]:80", configured: "2001:db8::1", want: "2001:db8::1"},
		{name: "configured IPv6 in brackets", listen: "[::]:80", configured: "[2001:db8::1]", want: "2001:db8::1"},
		{name: "configured unspecified", listen: "[::]:80", configured: "0.0.0.0", want: `error: "0.0.0.0"`},
		{name: "configured with a wrong port", listen: "[::]:80", configured: "a:99999", want: `error: "99999"`},
		{name: "configured with junk", listen: "[::]:80", configured: "http://a/", want: `error: "http://a/"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := chooseAdvertised(t.Context(), netip.MustParseAddrPort(test.listen), test.byDefault, test.configured, test.where, test.world.network())
			if part, ok := strings.CutPrefix(test.want, "error: "); ok {
				part, undecided := strings.CutPrefix(part, "undecided: ")
				if _, is := errors.AsType[*undecidedError](err); err == nil || !strings.Contains(err.Error(), part) || is != undecided {
					t.Fatalf("got %v, error %v; want an error with %q, undecided: %v", got, err, part, undecided)
				}
				return
			}
			host, port := test.want, 80
			if h, found := strings.CutSuffix(test.want, ":0"); found {
				host, port = h, 0
			}
			if err != nil || got.host != host || got.port != port || got.reason == "" {
				t.Fatalf("got %+v, error %v; want host %s, port %d and a reason", got, err, host, port)
			}
		})
	}
}

// agentBeside is a registry on loopback that tells its agent's address; it is away as long as it has none.
type agentBeside struct {
	discovery.Registry
	nodes chan string
}

func (agentBeside) Hosts() []string { return []string{"127.0.0.1"} }

func (a agentBeside) Node(context.Context) (string, error) {
	if node := <-a.nodes; node != "" {
		return node, nil
	}
	return "", errors.New("connection refused")
}

func TestAgentBesideTellsWhereCallersAre(t *testing.T) {
	t.Parallel()
	for node, want := range map[string]surroundings{
		"127.0.0.1":  {hosts: []string{"127.0.0.1"}, loopback: true},
		"127.0.0.12": {hosts: []string{"127.0.0.1"}, loopback: true},
		"10.0.0.3":   {hosts: []string{"10.0.0.3"}, beside: true},
		"fd00::3":    {hosts: []string{"fd00::3"}, beside: true},
	} {
		registry := agentBeside{nodes: make(chan string, 1)}
		registry.nodes <- node
		if got := survey(t.Context(), registry); !slices.Equal(got.hosts, want.hosts) || got.loopback != want.loopback || got.beside != want.beside || got.unknown != nil {
			t.Errorf("the agent's address is %s: got %+v, want %+v", node, got, want)
		}
	}
}

func TestAwaitsTheAgentBeside(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		registry := agentBeside{nodes: make(chan string, 10)}
		for range 3 {
			registry.nodes <- ""
		}
		place := newLocator(t.Context(), registry, "", "")
		place.listens = netip.MustParseAddrPort("127.0.0.1:80")
		place.network = world{source: map[string]string{"10.0.0.3": "10.0.0.7"}}.network()
		registry.nodes <- "10.0.0.3"
		var told []string
		reached, err := place.await(t.Context(), func(err error) { told = append(told, err.Error()) })
		if err != nil || reached.host != "10.0.0.7" || reached.port != 0 || len(told) != 3 {
			t.Errorf("got %+v, %v after %q; want 10.0.0.7 on a port to be found, after three refusals", reached, err, told)
		}

		for range 10 {
			registry.nodes <- ""
		}
		place = newLocator(t.Context(), registry, "", "")
		place.listens = netip.MustParseAddrPort("127.0.0.1:80")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := place.await(ctx, func(error) {}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the context's error", err)
		}
	})
}

func TestInstanceID(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		reached  advertised
		hostname string
		want     string
	}{
		{advertised{host: "10.0.0.3", port: 80}, "", "web-10.0.0.3-80"},
		{advertised{host: "10.0.0.3", port: 80}, "web-0", "web-web-0-80"},
		{advertised{host: "127.0.0.1", port: 80}, "web-0", "web-127.0.0.1-80"},
	} {
		if got := instanceID("web", c.reached, c.hostname); got != c.want {
			t.Errorf("instanceID(%v, %q) = %q, want %q", c.reached, c.hostname, got, c.want)
		}
	}
	for name, want := range map[string]bool{"0123456789ab": true, "0123456789AB": false, "web": false, "deadbeefcafe": true, "deadbeefcafe1": false} {
		if got := isContainerID(name); got != want {
			t.Errorf("isContainerID(%q) = %v, want %v", name, got, want)
		}
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
