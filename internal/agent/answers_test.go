package agent_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/pandakit/panda/internal/agent"
)

// answer is status and beginning of the text where clients and people depend on them.
type answer struct {
	method, path, body string
	status             int
	want               string // nothing at all when empty
}

// holdAnswers asks an agent with an instance web1 and a check tcp.
func holdAnswers(t *testing.T, answers []answer) {
	t.Helper()
	a := start(t, agent.Config{})
	a.register(t, ttl("web", "web1", "10m"))
	a.register(t, &api.AgentServiceRegistration{Name: "tcp", Check: &api.AgentServiceCheck{TCP: "127.0.0.1:1", Interval: "1h", CheckID: "tcp"}})
	for _, test := range answers {
		name := test.method + " " + test.path + " " + test.body[:min(len(test.body), 60)]
		response, text := a.do(t, test.method, test.path, test.body)
		if response.StatusCode != test.status || !strings.HasPrefix(text, test.want) || (test.want == "" && text != "") {
			t.Errorf("%s: %d %q, want %d %q", name, response.StatusCode, text, test.status, test.want)
		}
	}
	if strings.Contains(a.log.String(), "ERROR") {
		t.Errorf("logged errors for mistakes of clients:\n%s", a.log.String())
	}
}

func TestAnswersToRegistrations(t *testing.T) {
	const register = "/v1/agent/service/register"
	holdAnswers(t, []answer{
		{"GET", register, "", 405, "method GET not allowed"},
		{"POST", "/v1/health/service/web", "", 405, "method POST not allowed"},
		{"HEAD", "/v1/agent/services", "", 405, ""},
		{"OPTIONS", "/v1/agent/services", "", 200, ""},
		{"GET", "/v1/nope", "", 404, "Invalid URL path: not a recognized HTTP API endpoint"},
		{"GET", "/", "", 200, "Consul Agent: UI disabled."},

		{"PUT", register, "", 400, "Bad request: Request decode failed: EOF"},
		{"PUT", register, "{bad", 400, "Bad request: Request decode failed: invalid character 'b'"},
		{"PUT", register, `[]`, 400, "Bad request: Request decode failed: "},
		{"PUT", register, `{}`, 400, "Bad request: Missing service name"},
		{"PUT", register, `null`, 400, "Bad request: Missing service name"},
		{"PUT", register, `{"Name":"w","Port":"x"}`, 400, "Bad request: Request decode failed: json: cannot unmarshal string"},
		{"PUT", register, `{"Name":"w","Nope":1}`, 400, `Bad request: Request decode failed: json: unknown field "Nope"`},
		{"PUT", register, `{"Name":"w","Port":70000}`, 400, "Bad request: Invalid service port 70000"},
		{"PUT", register, `{"Name":"w","Address":"::"}`, 400, "Bad request: Invalid service address"},
		{"PUT", register, `{"Name":"w","Weights":{"Passing":0}}`, 400, "Bad request: Invalid Weights: Passing must be greater than 0"},
		{"PUT", register, `{"Name":"w","Weights":{"Passing":1,"Warning":65536}}`, 400, "Bad request: Invalid Weights: "},
		{"PUT", register, `{"Name":"w","Meta":{"a b":""}}`, 400, "Bad request: Invalid Service Meta: "},
		{"PUT", register, `{"Name":"w","Meta":{"consul-x":""}}`, 400, "Bad request: Invalid Service Meta: "},
		{"PUT", register, `{"Name":"w","Meta":{"a":"` + strings.Repeat("x", 513) + `"}}`, 400, "Bad request: Invalid Service Meta: "},
		{"PUT", register, `{"Name":"w","Meta":{"` + strings.Repeat("x", 129) + `":""}}`, 400, "Bad request: Invalid Service Meta: "},
		{"PUT", register, `{"Name":"w","Meta":{` + manyKeys(65) + `}}`, 400, "Bad request: Invalid Service Meta: "},
		{"PUT", register, `{"Name":"w","Meta":{` + manyKeys(64) + `}}`, 200, ""},
		{"PUT", register, `{"Name":"w","Check":{"TTL":"bogus"}}`, 400, `Bad request: Request decode failed: time: invalid duration "bogus"`},
		{"PUT", register, `{"Name":"w","Check":{"TTL":"1s","Status":"bogus"}}`, 400, "Bad request: Status for checks must 'passing', 'warning', 'critical'"},
		{"PUT", register, `{"Name":"w","Check":{"Name":"n"}}`, 400, "Bad request: Invalid check: TTL must be > 0 for TTL checks"},
		{"PUT", register, `{"Name":"w","Check":{"TTL":"1s","CheckID":"serfHealth"}}`, 400, `Bad request: Check ID "serfHealth" is the agent's own`},
		{"PUT", register, `{"Name":"w","Namespace":"other"}`, 400, "Bad request: Invalid Namespace"},
		{"PUT", register, `{"Name":"consul"}`, 400, `Bad request: Service ID "consul" is the agent's own`},
		{"PUT", register, `{"Name":"w","Tags":null,"Check":{},"Checks":[null]}`, 200, ""},
		{"PUT", register, `{"Name":"w"` + strings.Repeat(" ", 512<<10) + `}`, 413, "Request body too large, max size: 524288 bytes"},
	})
}

func TestAnswersToChanges(t *testing.T) {
	const check = "/v1/agent/check/register"
	holdAnswers(t, []answer{
		{"PUT", "/v1/agent/service/deregister/nope", "", 404, `Unknown service ID "nope". Ensure that the service ID is passed, not the service name.`},
		{"PUT", "/v1/agent/service/deregister/consul", "", 404, `Unknown service ID "consul".`},
		{"PUT", "/v1/agent/service/deregister/", "", 404, `Unknown service ID "".`},
		{"GET", "/v1/agent/service/nope", "", 404, "unknown service ID: nope"},

		{"PUT", check, `{}`, 400, "Bad request: Missing check name"},
		{"PUT", check, `{"Name":"c"}`, 400, "Bad request: Invalid check: TTL must be > 0 for TTL checks"},
		{"PUT", check, `{"Name":"c","TTL":"1s","Status":"bogus"}`, 400, "Bad request: Bad check status"},
		{"PUT", check, `{"Name":"c","TTL":"1s","ServiceID":"nope"}`, 404, `ServiceID "nope" does not exist`},
		{"PUT", check, `{"Name":"c","Args":["sh"],"Interval":"1s"}`, 500, "Scripts are disabled on this agent from remote calls; to enable, configure 'enable_script_checks' to true"},
		{"PUT", check, `{"Name":"c","Args":["sh"],"DockerContainerID":"c","Interval":"1s"}`, 400, "Bad request: Invalid check: Docker checks are not supported"},
		{"PUT", "/v1/agent/check/deregister/nope", "", 404, `Unknown check ID "nope". Ensure that the check ID is passed, not the check name.`},
		{"PUT", "/v1/agent/check/deregister/serfHealth", "", 404, `Unknown check ID "serfHealth".`},
		{"PUT", "/v1/agent/check/pass/nope", "", 404, `Unknown check ID "nope". Ensure that the check ID is passed, not the check name.`},
		{"PUT", "/v1/agent/check/pass/tcp", "", 500, `CheckID "tcp" does not have associated TTL`},
		{"PUT", "/v1/agent/check/update/service:web1", `{"Status":"foo"}`, 400, "Bad request: Invalid check status: 'foo'"},
		{"PUT", "/v1/agent/check/update/service:web1", `{`, 400, "Bad request: Request decode failed: unexpected EOF"},

		{"PUT", "/v1/agent/maintenance", "", 400, "Bad request: Missing value for enable"},
		{"PUT", "/v1/agent/maintenance?enable=x", "", 400, `Bad request: Invalid value for enable: "x"`},
		{"PUT", "/v1/agent/service/maintenance/nope?enable=true", "", 404, `Unknown service ID "nope".`},
		{"PUT", "/v1/agent/service/maintenance/?enable=true", "", 400, "Bad request: Missing service ID"},
	})
}

func TestAnswersToReads(t *testing.T) {
	holdAnswers(t, []answer{
		{"GET", "/v1/health/service/", "", 400, "Bad request: Missing service name"},
		{"GET", "/v1/health/checks/", "", 400, "Bad request: Missing service name"},
		{"GET", "/v1/health/node/", "", 400, "Bad request: Missing node name"},
		{"GET", "/v1/health/state/", "", 400, "Bad request: Missing check state"},
		{"GET", "/v1/catalog/service/", "", 400, "Bad request: Missing service name"},
		{"GET", "/v1/catalog/node/", "", 400, "Bad request: Missing node name"},
		{"GET", "/v1/health/service/web?index=abc", "", 400, "Invalid index"},
		{"GET", "/v1/health/service/web?wait=abc", "", 400, "Invalid wait time"},
		{"GET", "/v1/health/service/web?wait=x", "", 400, "Invalid wait time"},
		{"GET", "/v1/health/service/web?passing=zz", "", 400, "Bad request: Invalid value for ?passing"},
		{"GET", "/v1/health/service/web?filter=x==1", "", 500, `Failed to create boolean expression evaluator: Selector "x" is not valid`},
		{"GET", "/v1/health/service/web?ns=other", "", 400, "Bad request: Invalid query parameter"},
		{"GET", "/v1/health/service/web?dc=dc2", "", 500, "No path to datacenter"},
		{"GET", "/v1/health/service/web?stale&consistent", "", 400, "Cannot specify ?stale with ?consistent"},
		{"GET", "/v1/health/service/nope?dc=dc1&stale", "", 200, "[]"},
		{"GET", "/v1/catalog/service/nope", "", 200, "[]"},
		{"GET", "/v1/health/checks/nope", "", 200, "[]"},
		{"GET", "/v1/health/node/nope", "", 200, "[]"},
		{"GET", "/v1/health/state/nope", "", 200, "[]"},
		{"GET", "/v1/catalog/node/nope", "", 200, "null"},
		{"GET", "/v1/catalog/datacenters", "", 200, `["dc1"]`},
		{"GET", "/v1/catalog/datacenters?pretty", "", 200, "[\n    \"dc1\"\n]\n"},
		{"GET", "/v1/status/leader", "", 200, `"127.0.0.1:8300"`},
		{"GET", "/v1/status/peers", "", 200, `["127.0.0.1:8300"]`},

		{"PUT", "/v1/agent/service/register", `{"Name":"w","Tags":null,"Check":{},"Checks":[null]}`, 200, ""},
		{"GET", "/v1/agent/health/service/id/nope", "", 404, `{"AggregatedStatus":"critical","Service":null,"Checks":null}`},
		{"GET", "/v1/agent/health/service/name/nope", "", 404, `[]`},
		{"GET", "/v1/agent/health/service/name/nope?format=text", "", 404, "ServiceName nope Not Found"},
		{"GET", "/v1/agent/health/service/id/", "", 500, "Bad request: Missing serviceID"},
		{"GET", "/v1/agent/health/service/id/web1?format=text", "", 503, "critical"},
		{"GET", "/v1/agent/health/service/name/w?format=text", "", 200, "passing"},
	})
}

func manyKeys(n int) string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf(`"k%d":""`, i)
	}
	return strings.Join(keys, ",")
}

func TestHeaders(t *testing.T) {
	a := start(t, agent.Config{})
	for _, path := range []string{
		"/v1/catalog/nodes", "/v1/catalog/services", "/v1/catalog/service/nope", "/v1/catalog/node/nope",
		"/v1/health/service/nope", "/v1/health/checks/nope", "/v1/health/node/n1", "/v1/health/state/any",
	} {
		response, text := a.do(t, "GET", path, "")
		header := response.Header
		if index := header.Get("X-Consul-Index"); index == "" || index == "0" ||
			header.Get("X-Consul-KnownLeader") != "true" || header.Get("X-Consul-LastContact") != "0" ||
			header.Get("Content-Type") != "application/json" || !json.Valid([]byte(text)) {
			t.Errorf("%s: %v %s", path, header, text)
		}
	}
	if response, _ := a.do(t, "GET", "/v1/agent/service/register", ""); response.Header.Get("Allow") != "OPTIONS,PUT" {
		t.Errorf("Allow: %q", response.Header.Get("Allow"))
	}
}

func TestForeignPagesAreRefused(t *testing.T) {
	a := start(t, agent.Config{Hosts: []string{"panda.test"}})
	for _, test := range []struct {
		header, value string
		status        int
	}{
		{"Host", "evil.example", 403},
		{"Host", "evil.example:8500", 403},
		{"Host", "localhost.evil.example", 403},
		{"Host", "127.0.0.1.evil.example", 403},
		{"Host", "localhost", 200},
		{"Host", "LOCALHOST:8500", 200},
		{"Host", "127.0.0.1:8500", 200},
		{"Host", "10.1.2.3", 200},
		{"Host", "[::1]:8500", 200},
		{"Host", "[::1]", 200},
		{"Host", "panda.test:8500", 200},
		{"Origin", "http://evil.example", 403},
		{"Origin", "http://localhost:8500", 403},
		{"Origin", "null", 403},
	} {
		for _, path := range []string{"/v1/status/leader", "/v1/nope"} {
			want := test.status
			if path == "/v1/nope" && want == 200 {
				want = 404
			}
			if response, text := a.do(t, "GET", path, "", test.header, test.value); response.StatusCode != want {
				t.Errorf("%s with %s %q: %d %s", path, test.header, test.value, response.StatusCode, text)
			}
		}
	}
	before, _ := a.do(t, "PUT", "/v1/agent/service/register", `{"Name":"evil"}`, "Origin", "http://evil.example")
	if entries, _ := a.entries(t, "evil", 0); before.StatusCode != http.StatusForbidden || len(entries) != 0 {
		t.Error("a foreign page registered a service")
	}
}

func TestNamesAreServedBeyondLoopback(t *testing.T) {
	a := start(t, agent.Config{HTTPAddr: "0.0.0.0:0"})
	_, port, err := net.SplitHostPort(a.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	response, err := a.http.Get("http://localhost:" + port + "/v1/status/leader")
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response, _ := a.do(t, "GET", "/v1/status/leader", "", "Host", "agent.lan"); response.StatusCode != http.StatusOK {
		t.Errorf("a name was refused: %d", response.StatusCode)
	}
}

func TestSelf(t *testing.T) {
	a := start(t, agent.Config{Datacenter: "north", Address: "10.0.0.9"})
	client := a.client.Agent()
	self, err := client.Self()
	if err != nil || self["Config"]["NodeName"] != "n1" || self["Config"]["Datacenter"] != "north" || self["Config"]["Version"] != agent.Version {
		t.Errorf("self: %v, %v", self, err)
	}
	members, err := client.Members(false)
	if err != nil || len(members) != 1 || members[0].Addr != "10.0.0.9" || members[0].Status != 1 || members[0].Tags["dc"] != "north" {
		t.Errorf("members: %+v, %v", members, err)
	}
	version, err := client.Version()
	if err != nil || version["HumanVersion"] != agent.Version {
		t.Errorf("version: %v, %v", version, err)
	}
	leader, err := a.client.Status().Leader()
	if err != nil || leader != "10.0.0.9:8300" {
		t.Errorf("leader: %q, %v", leader, err)
	}
	node, _, err := a.client.Catalog().Node("N1", nil)
	if err != nil || node.Node.Address != "10.0.0.9" || node.Services["consul"].Port != 8300 {
		t.Errorf("node: %+v, %v", node, err)
	}
	services, _, err := a.client.Catalog().Services(nil)
	if err != nil || len(services) != 1 || services["consul"] == nil {
		t.Errorf("services: %v, %v", services, err)
	}
	if mine, err := client.Services(); err != nil || len(mine) != 0 {
		t.Errorf("the agent lists %v as registered with it, %v", mine, err)
	}
}

func TestHealthOfLocalServices(t *testing.T) {
	a := start(t, agent.Config{})
	client := a.client.Agent()
	a.register(t, ttl("web", "web1", "10m"))
	a.register(t, ttl("web", "web2", "10m"))
	expect := func(what, wantOne, wantAll string) {
		t.Helper()
		_, info, err := client.AgentHealthServiceByID("web1")
		if err != nil || info.AggregatedStatus != wantOne || info.Service.ID != "web1" || len(info.Checks) == 0 {
			t.Errorf("%s: web1 is %+v, %v", what, info, err)
		}
		response, text := a.do(t, "GET", "/v1/agent/health/service/name/web", "")
		var infos []api.AgentServiceChecksInfo
		if err := json.Unmarshal([]byte(text), &infos); err != nil || len(infos) != 2 || response.Header.Get("X-Consul-Reason") != wantAll {
			t.Errorf("%s: web is %s with %d, %v", what, response.Header.Get("X-Consul-Reason"), len(infos), err)
		}
	}
	must := func(errs ...error) {
		t.Helper()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
	}
	expect("at first", "critical", "critical")
	must(client.PassTTL("service:web1", ""), client.WarnTTL("service:web2", ""))
	expect("set", "passing", "warning")
	must(client.CheckRegister(&api.AgentCheckRegistration{Name: "node-check", AgentServiceCheck: api.AgentServiceCheck{TTL: "10m", Status: "warning"}}))
	expect("with a check of the node", "warning", "warning")
	must(client.EnableServiceMaintenance("web1", "why"), client.CheckDeregister("node-check"))
	expect("under maintenance", "maintenance", "maintenance")
	must(client.EnableServiceMaintenance("web1", "again"), client.DisableServiceMaintenance("web1"), client.EnableNodeMaintenance("all"))
	expect("with the node under maintenance", "maintenance", "maintenance")
	must(client.DisableNodeMaintenance(), client.DisableNodeMaintenance())
	expect("at the end", "passing", "warning")
}

func TestServiceHash(t *testing.T) {
	a := start(t, agent.Config{})
	a.register(t, ttl("web", "web1", "10m"))
	service, meta, err := a.client.Agent().Service("web1", nil)
	if err != nil || service.ContentHash == "" || meta.LastContentHash != service.ContentHash {
		t.Fatalf("service %+v, meta %+v, %v", service, meta, err)
	}
	changed := make(chan *api.AgentService, 1)
	go func() {
		after, _, err := a.client.Agent().Service("web1", &api.QueryOptions{WaitHash: service.ContentHash, WaitTime: time.Minute})
		if err != nil {
			t.Error(err)
		}
		changed <- after
	}()
	r := ttl("web", "web1", "10m")
	r.Port = 81
	if err := a.client.Agent().PassTTL("service:web1", "does not change the service"); err != nil {
		t.Error(err)
	}
	a.register(t, r)
	if after := <-changed; after == nil || after.Port != 81 || after.ContentHash == service.ContentHash {
		t.Errorf("after the change: %+v", after)
	}
}

// TestSlowAndBrokenClients sends what is no HTTP request; the agent must go on serving others.
func TestSlowAndBrokenClients(t *testing.T) {
	a := start(t, agent.Config{})
	for _, junk := range []string{
		"\x00\x01\x02\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "PUT /v1/agent/service/register HTTP/1.1\r\nHost: x",
		"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + strings.Repeat("y", 2<<20) + "\r\n\r\n",
	} {
		conn, err := net.Dial("tcp", a.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, writeErr := io.WriteString(conn, junk)
		_ = conn.(*net.TCPConn).CloseWrite()
		answer, readErr := io.ReadAll(conn)
		if text := string(answer); strings.Contains(text, " 200 ") || strings.Contains(text, " 500 ") {
			t.Errorf("%.20q: %s (%v, %v)", junk, text, writeErr, readErr)
		}
		_ = conn.Close()
	}
	if response, _ := a.do(t, "GET", "/v1/status/leader", ""); response.StatusCode != http.StatusOK {
		t.Errorf("the agent serves no more: %d", response.StatusCode)
	}
}
