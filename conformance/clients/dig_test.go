package clients

import (
	"net"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"
)

// TestDig asks for a service, an instance's port and a node as a person would.
func TestDig(t *testing.T) {
	t.Parallel()
	dig, err := exec.LookPath("dig")
	if err != nil {
		t.Skip("dig is not installed")
	}
	each(t, func(t *testing.T, a *agent) {
		c := a.client(t)
		for _, r := range []*api.AgentServiceRegistration{
			{ID: "web-1", Name: "web", Port: 8081, Address: "10.0.0.1", Tags: []string{"v1"}},
			{ID: "web-2", Name: "web", Port: 8082, Address: "10.0.0.2"},
			{ID: "ill", Name: "web", Port: 8083, Address: "10.0.0.3", Check: &api.AgentServiceCheck{TTL: "1h"}},
			{ID: "six", Name: "six", Port: 8084, Address: "fd00::1"},
		} {
			if err := c.Agent().ServiceRegister(r); err != nil {
				t.Fatal(err)
			}
		}
		ask := func(args ...string) string {
			host, port, _ := net.SplitHostPort(a.dns)
			got := a.run(t, "", "", dig, append([]string{"@" + host, "-p", port, "+tries=1", "+time=5"}, args...)...)
			if got.code != 0 {
				t.Fatalf("dig %v: %s", args, got)
			}
			lines := strings.Split(strings.TrimSpace(got.stdout), "\n")
			slices.Sort(lines)
			return strings.Join(lines, "\n")
		}
		eventually(t, "the services are found", func() bool { return ask("+short", "six.service.consul", "AAAA") == "fd00::1" })
		for _, q := range []struct {
			args, want string
		}{
			{"+short web.service.consul", "10.0.0.1\n10.0.0.2"},
			{"+short +tcp web.service.consul", "10.0.0.1\n10.0.0.2"},
			{"+short v1.web.service.consul", "10.0.0.1"},
			{"+short web.service.dc1.consul", "10.0.0.1\n10.0.0.2"},
			{"+short WEB.Service.CONSUL", "10.0.0.1\n10.0.0.2"},
			{"+short six.service.consul AAAA", "fd00::1"},
			{"+short web.service.consul SRV", "1 1 8081 0a000001.addr.dc1.consul.\n1 1 8082 0a000002.addr.dc1.consul."},
			{"+short _web._v1.service.consul SRV", "1 1 8081 0a000001.addr.dc1.consul."},
			{"+short _web._tcp.service.consul SRV", "1 1 8081 0a000001.addr.dc1.consul.\n1 1 8082 0a000002.addr.dc1.consul."},
			{"+short " + a.node + ".node.consul", "127.0.0.1"},
			{"+short 0a000001.addr.dc1.consul", "10.0.0.1"},
			{"+short consul NS", a.node + ".node.dc1.consul."},
			{"+short nothing.service.consul", ""},
		} {
			if got := ask(strings.Fields(q.args)...); got != q.want {
				t.Errorf("dig %s:\n%s\nwant\n%s", q.args, got, q.want)
			}
		}
		for args, want := range map[string]string{
			"nothing.service.consul": "status: NXDOMAIN", "web.service.consul": "status: NOERROR", "example.org": "status: REFUSED", "nothing.service.other.consul": "status: ",
		} {
			if got := ask(args); !strings.Contains(got, want) {
				t.Errorf("dig %s has no %q:\n%s", args, want, got)
			}
		}
	})
}
