package config_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pandakit/panda/internal/agent/config"
	"github.com/pandakit/panda/internal/consulwire"
)

// files writes a folder of files and returns its path.
func files(t *testing.T, contents map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range contents {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func load(t *testing.T, contents map[string]string) (*config.Config, []string, error) {
	t.Helper()
	return config.Load(config.Options{Paths: []string{files(t, contents)}})
}

func must(t *testing.T, contents map[string]string) *config.Config {
	t.Helper()
	c, warnings, err := load(t, contents)
	if err != nil || len(warnings) > 0 {
		t.Fatalf("%v, warnings %q", err, warnings)
	}
	return c
}

const serviceJSON = `{"service": {"id": "web1", "name": "web", "tags": ["a", "b"], "address": "10.0.0.1", "port": 80,
	"meta": {"v": "1"}, "enable_tag_override": true, "token": "t",
	"tagged_addresses": {"lan": {"address": "10.0.0.2", "port": 81}}, "weights": {"passing": 5},
	"check": {"http": "http://127.0.0.1/health", "interval": "10s", "timeout": "1s", "method": "PUT", "header": {"Host": ["x"]}},
	"checks": [{"id": "ttl", "ttl": "30s", "deregistercriticalserviceafter": "2m"}, {"args": ["/bin/true"], "interval": "5s"}]}}`

const serviceHCL = `
# The same service, in HCL.
service {
  id      = "web1"
  name    = "web"
  tags    = ["a", "b"]
  address = "10.0.0.1"
  port    = 80
  meta    = { v = "1" }
  enable_tag_override = true
  token   = "t"
  tagged_addresses { lan = { address = "10.0.0.2", port = 81 } }
  weights { passing = 5 }
  check {
    http     = "http://127.0.0.1/health"
    interval = "10s"
    timeout  = "1s"
    method   = "PUT"
    header { Host = ["x"] }
  }
  checks = [
    { id = "ttl", ttl = "30s", deregister_critical_service_after = "2m" },
    { ScriptArgs = ["/bin/true"], interval = "5s" },
  ]
}
`

func TestServiceInBothFormats(t *testing.T) {
	fromJSON, fromHCL := must(t, map[string]string{"a.json": serviceJSON}), must(t, map[string]string{"a.hcl": serviceHCL})
	want := &consulwire.ServiceRegistration{
		ID: "web1", Name: "web", Tags: []string{"a", "b"}, Address: "10.0.0.1", Port: 80, Meta: map[string]string{"v": "1"},
		EnableTagOverride: true, Token: "t", Weights: &consulwire.Weights{Passing: 5, Warning: 1},
		TaggedAddresses: map[string]consulwire.ServiceAddress{"lan": {Address: "10.0.0.2", Port: 81}},
		Checks: []*consulwire.CheckRegistration{
			{CheckID: "ttl", TTL: consulwire.Duration(30 * time.Second), DeregisterCriticalServiceAfter: consulwire.Duration(2 * time.Minute)},
			{ScriptArgs: []string{"/bin/true"}, Interval: consulwire.Duration(5 * time.Second)},
			{
				HTTP: "http://127.0.0.1/health", Interval: consulwire.Duration(10 * time.Second), Timeout: consulwire.Duration(time.Second),
				Method: "PUT", Header: map[string][]string{"Host": {"x"}},
			},
		},
	}
	for format, c := range map[string]*config.Config{"JSON": fromJSON, "HCL": fromHCL} {
		if len(c.Services) != 1 || !reflect.DeepEqual(c.Services[0], want) {
			got, _ := json.MarshalIndent(c.Services, "", " ")
			t.Errorf("%s: %s", format, got)
		}
	}
}

// TestMerge holds that later files win, lists are joined, and what is no configuration is left alone.
func TestMerge(t *testing.T) {
	dir := files(t, map[string]string{
		"a.json":   `{"node_name": "a", "recursors": ["1.1.1.1"], "service": {"name": "a"}, "node_meta": {"x": "1", "y": "1"}, "ports": {"http": 1, "dns": 2}}`,
		"b.hcl":    "node_name = \"b\"\nrecursors = [\"2.2.2.2\"]\nservices { name = \"b\" }\nservices { name = \"c\" }\nnode_meta { y = \"2\" }\nports { http = 3 }",
		"c.json":   `{"services": [{"name": "d"}], "checks": [{"name": "k", "ttl": "1s"}], "check": {"name": "l", "ttl": "1s"}}`,
		"d.json":   ``,
		"note.txt": `not a configuration`,
	})
	if err := os.MkdirAll(filepath.Join(dir, "inner.json"), 0o700); err != nil {
		t.Fatal(err)
	}
	c, warnings, err := config.Load(config.Options{
		Before: func(c *config.Config) { c.NodeName, c.Recursors = "before", []string{"0.0.0.0"} },
		Paths:  []string{dir},
		After:  func(c *config.Config) { c.Ports.HTTP = 4 },
		Inline: []string{`domain = "inline."`},
	})
	if err != nil {
		t.Fatal(err)
	}
	var services, checks []string
	for _, s := range c.Services {
		services = append(services, s.Name)
	}
	for _, k := range c.Checks {
		checks = append(checks, k.Name)
	}
	if got := fmt.Sprint(c.NodeName, c.Recursors, services, len(checks), c.NodeMeta, c.Ports, c.Domain); got != "b[0.0.0.0 1.1.1.1 2.2.2.2] [a b c d] 2 map[x:1 y:2] {2 4 -1 8301 8302}inline." {
		t.Errorf("got %s", got)
	}
	if len(warnings) != 1 || !strings.Contains(warnings[0], "note.txt, extension must be .hcl or .json") {
		t.Errorf("warnings: %q", warnings)
	}
}

func TestHeredoc(t *testing.T) {
	c := must(t, map[string]string{"a.hcl": "check {\n name = \"n\"\n ttl = \"1s\"\n notes = <<EOF\ntwo\nlines\nEOF\n}"})
	if c.Checks[0].Notes != "two\nlines\n" {
		t.Errorf("notes %q", c.Checks[0].Notes)
	}
}

func TestProblemsAreNamed(t *testing.T) {
	for content, want := range map[string]string{
		"j{\n \"nmae\": 1}": "a.json:2: unknown key nmae",
		"j{\"service\": {\"name\":\"w\",\n\"prot\": 80}}":                                               "a.json:2: unknown key service.prot; near: port",
		"j{\"ports\": {\"htp\": 1}}":                                                                    "a.json:1: unknown key ports.htp; near: http",
		"j{\"ports\":\n 1}":                                                                             "a.json:1: ports is a number, not an object",
		"j{\"ports\": {\"http\": \"1\"}}":                                                               "ports.http is a string, not a number",
		"j{\"ports\": {\"http\": 1.5}}":                                                                 "ports.http is 1.5, not an integer",
		"j{\"server\": \"yes\"}":                                                                        "server is a string, not a boolean",
		"j{\"recursors\": \"1.1.1.1\"}":                                                                 "recursors is a string, not a list",
		"j{\"services\": {\"name\": \"w\"}}":                                                            "services is an object, not a list",
		"j{\"services\": [{\"port\": 1}]}":                                                              "services[0] has no name",
		"j{\"check\": {\"ttl\": \"1s\"}}":                                                               "check has no name",
		"j{\"check\": {\"name\": \"c\", \"ttl\": 1}}":                                                   "check.ttl is a number, not a string",
		"j{\"check\": {\"name\": \"c\", \"ttl\": \"x\"}}":                                               "check.ttl: invalid duration \"x\"",
		"j{\"check\": {\"name\": \"c\"}}":                                                               "check: TTL must be > 0 for TTL checks",
		"j{\"check\": {\"name\": \"c\", \"ttl\": \"1s\", \"status\": \"good\"}}":                        "status \"good\" is not passing, warning or critical",
		"j{\"check\": {\"name\": \"c\", \"script\": \"x\"}}":                                            "check.script is not supported: Consul has removed it; use args",
		"j{\"check\": {\"name\": \"c\", \"docker_container_id\": \"x\"}}":                               "check.docker_container_id is not supported",
		"j{\"service\": {\"name\": \"w\", \"connect\": {\"sidecar_service\": {\"id\": \"x\"}}}}":        "service.connect.sidecar_service can't specify an ID",
		"hservice {\n name = \"w\"\n connect { sidecar_service { nope = 1 } }\n}":                       "a.hcl:3: unknown key service.connect.sidecar_service.nope",
		"hservice {\n name = \"w\"\n kind = \"connect-proxy\"\n}":                                       "a.hcl:1: service w: 2 errors occurred:",
		"j{\"service\": {\"name\": \"w\", \"proxy\": {\"mode\": \"odd\"}}}":                             "service.proxy.mode is \"odd\", not one of [\"direct\" \"transparent\"]",
		"j{\"service\": {\"name\": \"w\", \"proxy\": {\"upstreams\": [{\"local_bind_port\": \"x\"}]}}}": "service.proxy.upstreams[0].local_bind_port is a string, not a number",
		"j{\"bootstrap_expect\": 1}":                                                                    "'bootstrap = true' requires 'server = true'",
		"j{\"bootstrap\": true}":                                                                        "'bootstrap = true' requires 'server = true'",
		"j{\"bootstrap_expect\": 3}":                                                                    "'bootstrap_expect > 0' requires 'server = true'",
		"j{\"service\": {\"name\": \"w\", \"meta\": {\"a b\": \"\"}}}":                                  "invalid meta for service w",
		"j{\"service\": {\"name\": \"w\", \"weights\": {\"passing\": 0}}}":                              "Invalid weight definition for service w",
		"j{\"service\": {\"name\": \"w\", \"socket_path\": \"/s\", \"port\": 1}}":                       "cannot have both socket path /s and address/port",
		"j{\"acl\": {\"enabled\": true}}":                                                               "acl.enabled is not supported: this agent has no access control",
		"j{":                                                                                            "a.json:1: the file ends inside of its object",
		"j{\"a\":\n\n}":                                                                                 "a.json:3: invalid character '}'",
		"j[]":                                                                                           "the file holds a list, not an object",
		"j{} {}":                                                                                        "something follows the object",
		"j" + strings.Repeat(`{"a":`, 100):                                                              "more than 64 objects and lists inside each other",
		"j\"" + strings.Repeat("x", 5<<20):                                                              "a configuration file may have 4 MiB at the most",
		"hservice {\n  nmae = \"x\"\n}":                                                                 "a.hcl:2: unknown key service.nmae; near: name",
		"hservice \"web\" {\n port = 1\n}":                                                              "unknown key service.web",
		"hports {}\nports {}":                                                                           "ports is a list, not an object",
		"hservice {":                                                                                    "a.hcl:1: ",
		"ha = \"\\q\"":                                                                                  "a.hcl",
		"hports { http = 99999999999999999999 }":                                                        "number 99999999999999999999 is out of range",
		"ha = " + strings.Repeat("[", 1<<20):                                                            "more than 64 objects and lists inside each other",
	} {
		name := map[byte]string{'j': "a.json", 'h': "a.hcl"}[content[0]]
		_, _, err := load(t, map[string]string{name: content[1:]})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: got %v, want %q", content, err, want)
		}
	}
}

// TestCheckIDs holds that a check has the ID that its definition says, inside a service and alone.
func TestCheckIDs(t *testing.T) {
	c := must(t, map[string]string{"a.hcl": `
		services {
			name = "one"
			check { id = "only", ttl = "1h" }
		}
		services {
			name   = "two"
			checks = [{ id = "first", ttl = "1h" }, { ttl = "1h" }]
		}
		check { id = "alone", name = "c", ttl = "1h" }`})
	got := fmt.Sprint(c.Services[0].Checks[0].CheckID, " ", c.Services[1].Checks[0].CheckID, " ", c.Services[1].Checks[1].CheckID, " ", c.Checks[0].ID)
	if got != "only first  alone" {
		t.Errorf("got %q", got)
	}
}

// TestNothingAskedOfTheMesh holds that what is there but says nothing is taken, as machines write it.
func TestNothingAskedOfTheMesh(t *testing.T) {
	must(t, map[string]string{"a.json": `{"service": {"name": "w", "kind": "", "proxy": {}, "connect": {}}, "services": [{"name": "x", "connect": {"native": false, "sidecar_service": null}}]}`})
}

// TestMeshInFiles holds that a proxy, and the one that a service brings, are read from both formats.
func TestMeshInFiles(t *testing.T) {
	c := must(t, map[string]string{
		"a.hcl": `service {
			name = "web"
			connect { sidecar_service { proxy {
				config { protocol = "http" limits = { max = 5 } }
				upstreams { destination_name = "db" local_bind_port = 9000 mesh_gateway { mode = "local" } }
				expose { paths { path = "/" listener_port = 1 local_path_port = 2 } }
			} } }
		}`,
		"b.json": `{"service": {"name": "p", "kind": "connect-proxy", "port": 1, "proxy": {"DestinationServiceName": "web", "mode": "transparent",
			"transparent_proxy": {"dialed_directly": true}, "config": {"a": [1, "b", null, true]}}}}`,
	})
	got, err := json.Marshal([]any{c.Services[0].Connect.SidecarService.Proxy, c.Services[1].Kind, c.Services[1].Proxy})
	want := `[{"Mode":"","Config":{"limits":{"max":5},"protocol":"http"},"Upstreams":[{"DestinationType":"service","DestinationName":"db","Datacenter":"",` +
		`"LocalBindPort":9000,"MeshGateway":{"Mode":"local"}}],"MeshGateway":{},"Expose":{"Paths":[{"ListenerPort":1,"Path":"/","LocalPathPort":2}]}},` +
		`"connect-proxy",{"DestinationServiceName":"web","Mode":"transparent","Config":{"a":[1,"b",null,true]},"MeshGateway":{},"Expose":{},` +
		`"TransparentProxy":{"DialedDirectly":true}}]`
	if err != nil || string(got) != want {
		t.Errorf("got %s, %v\nwant %s", got, err, want)
	}
}

// TestOneProblemOfACheck holds that a value which makes no sense is not said to be missing besides.
func TestOneProblemOfACheck(t *testing.T) {
	_, _, err := load(t, map[string]string{"a.json": `{"check": {"name": "c", "http": "http://127.0.0.1/", "interval": "soon"}}`})
	if err == nil || strings.Contains(err.Error(), "\n") || !strings.HasSuffix(err.Error(), `check.interval: invalid duration "soon"; write for instance 10s or 1m30s`) {
		t.Errorf("got %v", err)
	}
}

// TestNodeNames holds what is told of a node that DNS does not find.
func TestNodeNames(t *testing.T) {
	for name, want := range map[string]string{
		"laptop-1":              "",
		"a b_c":                 `Node name "a b_c" will not be discoverable via DNS due to invalid characters. Valid characters include all alpha-numerics and dashes.`,
		strings.Repeat("x", 64): "due to it being too long. Valid lengths are between 1 and 63 bytes.",
	} {
		_, warnings, err := load(t, map[string]string{"a.json": fmt.Sprintf(`{"node_name": %q}`, name)})
		if got := strings.Join(warnings, "\n"); err != nil || !strings.HasSuffix(got, want) || (got == "") != (want == "") {
			t.Errorf("%s: %v, warnings %q, want %q", name, err, warnings, want)
		}
	}
}

func TestEveryProblemIsTold(t *testing.T) {
	_, _, err := load(t, map[string]string{"a.json": `{"x1": 1, "x2": 1}`, "b.hcl": "x3 = 1"})
	if err == nil || strings.Count(err.Error(), "unknown key x") != 3 {
		t.Errorf("got %v", err)
	}
}

// TestWarnings holds what is told of settings without effect, and that those switched off are not.
func TestWarnings(t *testing.T) {
	_, warnings, err := load(t, map[string]string{"a.json": `{"encrypt": "secret-key",
		"watches": [], "auto_reload_config": false, "acl": {"enabled": false, "default_policy": "deny"}, "telemetry": {"statsd_address": "x:1"}}`})
	if err != nil || len(warnings) != 2 {
		t.Fatalf("%v, %q", err, warnings)
	}
	slices.Sort(warnings)
	if !strings.HasSuffix(warnings[0], "a.json:1: encrypt has no effect: this agent talks to no other agent") || strings.Contains(strings.Join(warnings, ""), "secret") {
		t.Errorf("got %q", warnings)
	}
}

func TestMissingFileIsAnError(t *testing.T) {
	if _, _, err := config.Load(config.Options{Paths: []string{filepath.Join(t.TempDir(), "no")}}); err == nil || !strings.Contains(err.Error(), "read configuration: stat ") {
		t.Errorf("got %v", err)
	}
}

// TestTestServersFile reads what HashiCorp's test server writes for the agent it starts.
func TestTestServersFile(t *testing.T) {
	c := must(t, map[string]string{"config.json": `{"node_name":"node-1","node_id":"11111111-2222-3333-4444-555555555555",
		"performance":{"raft_multiplier":1},"bootstrap":true,"server":true,"data_dir":"/tmp/data","segments":null,
		"disable_update_check":true,"log_level":"debug","bind_addr":"127.0.0.1","addresses":{},
		"ports":{"dns":1,"http":2,"https":3,"serf_lan":4,"serf_wan":5,"server":6,"grpc":7},"acl":{"tokens":{}},
		"connect":{"ca_config":{"cluster_id":"11111111-2222-3333-4444-555555555555"},"enabled":true},
		"skip_leave_on_interrupt":true,"peering":{"enabled":true}}`})
	if c.NodeName != "node-1" || !c.Server || !c.Bootstrap || c.DataDir != "/tmp/data" || c.Ports != (config.Ports{DNS: 1, HTTP: 2, HTTPS: 3, SerfLAN: 4, SerfWAN: 5}) {
		t.Errorf("got %+v", c)
	}
}

func TestKeysOfDNS(t *testing.T) {
	c := must(t, map[string]string{"a.hcl": `
		dns_config {
			node_ttl = "5s"
			service_ttl { "*" = "1s", web = "2s" }
			only_passing = true
			udp_answer_limit = 7
			soa { min_ttl = 9 }
		}`})
	want := config.Default().DNS
	want.NodeTTL, want.ServiceTTL = 5*time.Second, map[string]time.Duration{"*": time.Second, "web": 2 * time.Second}
	want.OnlyPassing, want.UDPAnswerLimit, want.SOA.MinTTL = true, 7, 9
	if !reflect.DeepEqual(c.DNS, want) {
		t.Errorf("got %+v, want %+v", c.DNS, want)
	}
}

func FuzzRead(f *testing.F) {
	for _, seed := range []string{serviceJSON, `{"a":1e999,"ports":{"http":[]}}`, `{"service":null}`, `[`, "\x00"} {
		f.Add(seed, true)
	}
	for _, seed := range []string{serviceHCL, "a = <<", "a = <<-X\n  X\n", "a a a { b = 1 }", "services = [{ name = 1 }, 2]", "check = check", "\"\" = {}", "a = 0x", "a = \"${\""} {
		f.Add(seed, false)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, content string, asJSON bool) {
		format := "hcl"
		if asJSON {
			format = "json"
		}
		path := filepath.Join(dir, "fuzz."+format)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		c, _, err := config.Load(config.Options{Paths: []string{path}})
		if err == nil && c == nil || err != nil && err.Error() == "" {
			t.Errorf("%v, %v", c, err)
		}
	})
}
