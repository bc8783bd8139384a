package consul_test

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/discovery/consul"
)

func environment(variables map[string]string) func(string) string {
	return func(name string) string { return variables[name] }
}

func TestNewNamesItsAgents(t *testing.T) {
	t.Parallel()
	for list, want := range map[string]string{
		"":                                   "consul at 127.0.0.1:8500",
		"agent":                              "consul at agent:8500",
		":8501":                              "consul at 127.0.0.1:8501",
		"[::1]:8501, ::1,[::1]":              "consul at [::1]:8501, [::1]:8500, [::1]:8500",
		"http://agent,https://agent:1/base/": "consul at http://agent, https://agent:1/base",
		"unix:///run/consul.sock":            "consul at unix:///run/consul.sock",
	} {
		r, err := consul.New(consul.ConfigFromEnv(environment(map[string]string{"CONSUL_HTTP_ADDR": list})))
		if err != nil || r.String() != want {
			t.Errorf("New with %q: %v, %v; want %s", list, r, err, want)
		}
	}
	r, err := consul.New(consul.ConfigFromEnv(environment(map[string]string{"CONSUL_HTTP_ADDR": "agent,http://b:1", "CONSUL_HTTP_SSL": "1"})))
	if want := "consul at https://agent:8500, https://b:1"; err != nil || r.String() != want {
		t.Errorf("New with TLS: %v, %v; want %s", r, err, want)
	}
}

func TestNewRefusesMalformedValues(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"CONSUL_HTTP_ADDR=agent:http":                 `read Consul's address "agent:http": port "http" is not a number from 1 to 65535`,
		"CONSUL_HTTP_ADDR=agent:0":                    `read Consul's address "agent:0": port "0" is not a number from 1 to 65535`,
		"CONSUL_HTTP_ADDR=ftp://agent":                `read Consul's address "ftp://agent": scheme "ftp" is none of http, https, unix`,
		"CONSUL_HTTP_ADDR=http://":                    `read Consul's address "http://": it has no host`,
		"CONSUL_HTTP_ADDR=http://user:password@agent": `read Consul's address "http://…@agent": a user in an address would be logged; set CONSUL_HTTP_AUTH`,
		"CONSUL_HTTP_ADDR=http://agent/?x":            `read Consul's address "http://agent/?x": it has more than a host, a port and a path`,
		"CONSUL_HTTP_ADDR=unix://consul.sock":         `read Consul's address "unix://consul.sock": the path of a Unix socket begins with a slash and is plain text: unix:///run/consul.sock`,
		"CONSUL_HTTP_ADDR=a b":                        `read Consul's address "a b": ' ' cannot be in a host name`,
		"CONSUL_HTTP_ADDR=1::2::3":                    `read Consul's address "1::2::3": host "1::2::3" is no IPv6 address`,
		"CONSUL_HTTP_SSL=maybe":                       `read CONSUL_HTTP_SSL: "maybe" is neither true nor false`,
		"CONSUL_HTTP_SSL_VERIFY=maybe":                `read CONSUL_HTTP_SSL_VERIFY: "maybe" is neither true nor false`,
		"CONSUL_CACERT=/nowhere":                      `set up TLS to Consul with CA file "/nowhere"`,
		"CONSUL_CLIENT_CERT=/nowhere":                 `certificate "/nowhere", key ""`,
		"CONSUL_HTTP_TOKEN_FILE=/nowhere":             `read Consul's token file: open /nowhere`,
		"CONSUL_HTTP_TOKEN=a\nb":                      `read Consul's token: it has a character that no HTTP header can carry`,
	} {
		name, content, _ := strings.Cut(value, "=")
		_, err := consul.New(consul.ConfigFromEnv(environment(map[string]string{name: content})))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "password") {
			t.Errorf("New with %s: %v, want %s", value, err, want)
		}
	}
}

func FuzzConfigFromEnv(f *testing.F) {
	for _, address := range []string{"", ",", "a:1,b:2", "http://[::1]:8500/x", "https://u:p@h", "unix:///s", "[::1", "::1", "http://a:b:c", "%zz", "http://%41", "é:1", "http://a#", "unix://\x00"} {
		f.Add(address, "true")
	}
	f.Fuzz(func(t *testing.T, addresses, flag string) {
		cfg := consul.ConfigFromEnv(func(name string) string {
			switch name {
			case "CONSUL_HTTP_ADDR":
				return addresses
			case "CONSUL_HTTP_SSL", "CONSUL_HTTP_SSL_VERIFY":
				return flag
			}
			return ""
		})
		r, err := consul.New(cfg)
		if (r == nil) == (err == nil) {
			t.Fatalf("New with %q: %v, %v; want either", addresses, r, err)
		}
		if err != nil && strings.ContainsAny(err.Error(), "\n\x00") {
			t.Errorf("New with %q: the error %q is not one line", addresses, err)
		}
		if err == nil && (strings.ContainsAny(r.String(), "\n\x00") || strings.Contains(r.String(), "@") && !strings.Contains(addresses, "unix://")) {
			t.Errorf("New with %q: the name %q is not fit for a log", addresses, r)
		}
		if err == nil { // whatever New takes can be asked
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := r.Services(ctx); err == nil {
				t.Error("Services with a context that is done: no error")
			}
		}
	})
}

// What is sent comes from Config alone, whatever the environment has; and the token goes to no other host.
func TestRequestsCarryOnlyWhatIsConfigured(t *testing.T) {
	for name, value := range map[string]string{
		"CONSUL_HTTP_TOKEN": "of the environment", "CONSUL_NAMESPACE": "env", "CONSUL_PARTITION": "env",
		"CONSUL_HTTP_TOKEN_FILE": "/nowhere", "CONSUL_HTTP_ADDR": "nowhere:1", "HTTP_PROXY": "http://nowhere:1",
	} {
		t.Setenv(name, value)
	}
	requests := make(chan *http.Request, 10)
	url := onSocket(t, func(w http.ResponseWriter, r *http.Request) {
		requests <- r
		_, _ = w.Write([]byte("{}"))
	})
	list := func(cfg consul.Config) *http.Request {
		t.Helper()
		r, err := consul.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Services(t.Context()); err != nil {
			t.Fatal(err)
		}
		return <-requests
	}
	if r := list(consul.Config{Addresses: []string{url}}); r.Header.Get("X-Consul-Token") != "" || r.URL.RequestURI() != "/v1/catalog/services?stale=" {
		t.Errorf("without a configuration: %s with token %q", r.URL, r.Header.Get("X-Consul-Token"))
	}
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("of the file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := list(consul.Config{
		Addresses: []string{url + "/base"}, Token: "no", TokenFile: file, BasicAuth: "user:word",
		Namespace: "ns", Partition: "part", Datacenter: "dc9",
	})
	if r.Header.Get("X-Consul-Token") != "of the file" || r.URL.RequestURI() != "/base/v1/catalog/services?dc=dc9&ns=ns&partition=part&stale=" {
		t.Errorf("with a configuration: %s with token %q", r.URL, r.Header.Get("X-Consul-Token"))
	}
	if user, word, ok := r.BasicAuth(); !ok || user != "user" || word != "word" {
		t.Errorf("basic authentication is %q %q, %v", user, word, ok)
	}
}

func TestUnixSocket(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "consul.sock")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Skipf("this system has no Unix sockets: %v", err)
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"orders":[]}`))
	})}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		_ = server.Close()
		<-served
	})
	r, err := consul.New(consul.Config{Addresses: []string{"unix://" + path}})
	if err != nil {
		t.Fatal(err)
	}
	if names, err := r.Services(t.Context()); err != nil || !slices.Equal(names, []string{"orders"}) {
		t.Errorf("Services: %q, %v", names, err)
	}
}

func TestErrorsKeepTheirCause(t *testing.T) {
	t.Parallel()
	r, err := consul.New(consul.Config{Addresses: []string{"127.0.0.1:1"}, Token: "secret-token"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var first discovery.Snapshot
	_ = r.Watch(ctx, "orders", func(s discovery.Snapshot) {
		first = s
		cancel()
	})
	err = discovery.Explain(first, nil)
	if err == nil || !strings.HasPrefix(err.Error(), `look up service "orders": consul at 127.0.0.1:1 cannot be reached since `) {
		t.Errorf("Explain: %v", err)
	}
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("the error %q has the token", err)
	}
}
