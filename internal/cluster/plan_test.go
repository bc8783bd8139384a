package cluster

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestArguments compares the nodes with the course's three commands: what differs is addresses, -bootstrap-expect, and
// -retry-join in place of -join.
func TestArguments(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cfg  Config
		want []string
	}{
		"loopback": {Config{Folder: "/d", Servers: 3, Clients: 1}, []string{
			"agent -server -bootstrap-expect 3 -data-dir /d/n1/data -node=n1 -bind=127.0.1.1 -ui -config-dir /d/n1/config -rejoin -retry-join 127.0.1.2 -retry-join 127.0.1.3 -client 127.0.1.1",
			"agent -server -bootstrap-expect 3 -data-dir /d/n2/data -node=n2 -bind=127.0.1.2 -ui -config-dir /d/n2/config -rejoin -retry-join 127.0.1.1 -retry-join 127.0.1.3 -client 127.0.1.2",
			"agent -server -bootstrap-expect 3 -data-dir /d/n3/data -node=n3 -bind=127.0.1.3 -ui -config-dir /d/n3/config -rejoin -retry-join 127.0.1.1 -retry-join 127.0.1.2 -client 127.0.1.3",
			"agent -data-dir /d/n4/data -node=n4 -bind=127.0.1.4 -config-dir /d/n4/config -rejoin -retry-join 127.0.1.1 -retry-join 127.0.1.2 -retry-join 127.0.1.3 -client 127.0.1.4",
		}},
		"network": {Config{Folder: "/d", Servers: 1, Loopback: netip.MustParsePrefix("127.9.8.0/24")}, []string{
			"agent -server -bootstrap-expect 1 -data-dir /d/n1/data -node=n1 -bind=127.9.8.1 -ui -config-dir /d/n1/config -rejoin -client 127.9.8.1",
		}},
		"ports": {Config{Folder: "/d", Servers: 1, Clients: 1, Ports: 18300}, []string{
			"agent -server -bootstrap-expect 1 -data-dir /d/n1/data -node=n1 -bind=127.0.0.1 -ui -config-dir /d/n1/config -rejoin -client 127.0.0.1",
			"agent -data-dir /d/n2/data -node=n2 -bind=127.0.0.1 -config-dir /d/n2/config -rejoin -retry-join 127.0.0.1:18301 -client 127.0.0.1",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nodes := plan(c.cfg, secrets{}, release{"1.12.9", 1, 12})
			if len(nodes) != len(c.want) {
				t.Fatalf("%d nodes, want %d", len(nodes), len(c.want))
			}
			for i, n := range nodes {
				if got := filepath.ToSlash(strings.Join(n.Arguments, " ")); got != c.want[i] {
					t.Errorf("%s:\n%s\nwant\n%s", n.Name, got, c.want[i])
				}
			}
		})
	}
}

func settingsOf(t *testing.T, n *Node) string {
	t.Helper()
	text, err := n.configuration()
	if err != nil {
		t.Fatal(err)
	}
	var compact map[string]json.RawMessage
	if err := json.Unmarshal(text, &compact); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(compact)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestSettings(t *testing.T) {
	t.Parallel()
	keys := newSecrets([]string{"n1", "n2"})
	cfg := Config{Folder: "/d", Servers: 1, Clients: 1, ACL: true, Gossip: true, TLS: true, Ports: 18300}
	old, fresh := plan(cfg, keys, release{"1.12.9", 1, 12}), plan(cfg, keys, release{"1.22.1", 1, 22})
	server, client := settingsOf(t, old[0]), settingsOf(t, old[1])
	for _, want := range []string{
		`"raft_multiplier":1`, `"leave_on_terminate":false`, `"encrypt":"` + keys.Gossip + `"`, `"default_policy":"deny"`,
		`"initial_management":"` + keys.Management.Secret + `"`, `"agent":"` + keys.Agents["n1"].Secret + `"`,
		`"verify_server_hostname":true`, `"http":-1`, `"https":18501`, `"serf_lan":18301`,
	} {
		if !strings.Contains(server, want) {
			t.Errorf("the server's settings lack %s:\n%s", want, server)
		}
	}
	if strings.Contains(client, keys.Management.Secret) {
		t.Error("a client agent knows the token that may do everything")
	}
	if strings.Contains(server, "grpc_tls") || !strings.Contains(settingsOf(t, fresh[0]), `"grpc_tls":-1`) {
		t.Error("the port that Consul has since 1.14 is set for an earlier one, or not for a later one")
	}
	if plain := settingsOf(t, plan(Config{Folder: "/d", Servers: 1}, keys, release{})[0]); strings.Contains(plain, "ports") || strings.Contains(plain, "acl") ||
		strings.Contains(plain, "tls") || strings.Contains(plain, "encrypt") {
		t.Errorf("a plain node's settings are %s", plain)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for want, cfg := range map[string]Config{
		"0 servers":                {Folder: folder},
		"8 servers":                {Folder: folder, Servers: 8},
		"at most 50 nodes":         {Folder: folder, Servers: 3, Clients: 48},
		"at most 10 have room":     {Folder: folder, Servers: 3, Clients: 8, Ports: 8300},
		"leaves no room":           {Folder: folder, Servers: 1, Ports: 65300},
		"not an absolute path":     {Folder: "data", Servers: 1},
		"no network of loopback":   {Folder: folder, Servers: 1, Loopback: netip.MustParsePrefix("10.0.0.0/24")},
		"raft multiplier 11 is":    {Folder: folder, Servers: 1, RaftMultiplier: 11},
		"ask no/consul for its ve": {Folder: folder, Servers: 1, Binary: "no/consul"},
	} {
		if _, err := Start(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Start = %v, want %q", err, want)
		}
	}
}

func TestRelease(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Consul v1.12.9\nRevision x": "", "Consul v1.22.1+ent\n": "", "Consul v2.0.0-dev": "",
		"Consul v1.11.3": "a cluster needs 1.12 or later", "Vault v1.15.0": "is no Consul", "": "is no Consul",
	} {
		_, err := parseRelease("consul", text)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("parseRelease(%q) = %v, want %q", text, err, want)
		}
	}
}

func TestFolderKeepsSecretsOfTheSameClusterOnly(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	cfg := Config{Folder: folder, Servers: 3, ACL: true}
	want := shapeOf(cfg, plan(cfg, secrets{}, release{}))
	if _, found, err := openFolder(folder, want); found || err != nil {
		t.Errorf("an empty folder: %v, %v", found, err)
	}
	keys := newSecrets([]string{"n1"})
	if err := (record{want, keys}).save(folder); err != nil {
		t.Fatal(err)
	}
	if got, found, err := openFolder(folder, want); !found || err != nil || got.Management != keys.Management {
		t.Errorf("openFolder = %v, %v, %v", got, found, err)
	}
	other := want
	other.TLS = true
	if _, _, err := openFolder(folder, other); !errors.Is(err, ErrOther) || !strings.Contains(err.Error(), "ACL, TLS") {
		t.Errorf("another shape: %v, want ErrOther, and which", err)
	}
	if info, err := os.Stat(filepath.Join(folder, recordName)); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("the secrets' file has mode %v, %v", info.Mode(), err)
	}
	strange := t.TempDir()
	if err := os.WriteFile(filepath.Join(strange, "notes"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := openFolder(strange, want); err == nil || !strings.Contains(err.Error(), "is not empty, and holds no cluster") {
		t.Errorf("somebody's folder: %v", err)
	}
}

func TestCertificates(t *testing.T) {
	t.Parallel()
	cfg := Config{Folder: t.TempDir(), Servers: 1, Clients: 1, TLS: true}
	nodes := plan(cfg, secrets{}, release{})
	if err := writeCertificates(cfg.Folder, nodes, time.Now()); err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	authority, err := os.ReadFile(caFile(cfg.Folder))
	if err != nil || !roots.AppendCertsFromPEM(authority) {
		t.Fatalf("the authority's certificate: %v", err)
	}
	for _, n := range nodes {
		text, err := os.ReadFile(n.certFile())
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(text)
		leaf, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		for name, good := range map[string]bool{n.Address.String(): true, "localhost": true, "server.dc1.consul": n.Server} {
			if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name}); (err == nil) != good {
				t.Errorf("the certificate of %s for %s: %v, want good: %v", n.Name, name, err, good)
			}
		}
	}
}

func TestAddressInUse(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	busy := listener.Addr().(*net.TCPAddr).Port
	n := &Node{Name: "n1", Address: netip.MustParseAddr("127.0.0.1"), Ports: Ports{SerfLAN: busy, HTTP: busy, HTTPS: -1, DNS: busy}}
	told, ok := errors.AsType[*BusyError](n.checkFree())
	if !ok || told.Error() != "node n1 cannot listen at "+listener.Addr().String()+": in use by another program" {
		t.Errorf("checkFree = %v", told)
	}
}

func TestLastError(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                          "it printed nothing",
		"==> no\n2026 [INFO] bye\n": "==> no",
		"one\ntwo\n":                "two",
		"2026 [ERROR] agent: no\n2026 [INFO] agent: bye\n\n": "2026 [ERROR] agent: no",
	} {
		if got := lastError(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
