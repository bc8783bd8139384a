package agentapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/pandakit/panda/internal/cli/agentapi"
	"github.com/pandakit/panda/internal/cli/command"
)

// environment is a process with some variables.
func environment(variables map[string]string) *command.Env {
	return &command.Env{Getenv: func(name string) string { return variables[name] }}
}

func connect(t *testing.T, variables map[string]string, args ...string) (*agentapi.Agent, error) {
	t.Helper()
	set := pflag.NewFlagSet("test", pflag.ContinueOnError)
	flags := agentapi.AddFlags(set)
	flags.AddServerFlags(set)
	if err := set.Parse(args); err != nil {
		t.Fatal(err)
	}
	return flags.Connect(environment(variables))
}

// echo answers with what it was asked.
func echo(w http.ResponseWriter, r *http.Request) {
	user, password, _ := r.BasicAuth()
	_ = json.NewEncoder(w).Encode(map[string]string{
		"path": r.URL.EscapedPath(), "query": r.URL.RawQuery, "token": r.Header.Get("X-Consul-Token"), "user": user, "password": password,
	})
}

func TestRequestsCarryWhatFlagsAndVariablesSay(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(echo))
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(" from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	host := strings.TrimPrefix(server.URL, "http://")
	for name, c := range map[string]struct {
		variables map[string]string
		args      []string
		want      map[string]string
	}{
		"variables": {
			map[string]string{"CONSUL_HTTP_ADDR": host, "CONSUL_HTTP_TOKEN": "secret", "CONSUL_NAMESPACE": "n"}, nil,
			map[string]string{"token": "secret", "query": "a=b&ns=n"},
		},
		"flags win": {
			map[string]string{"CONSUL_HTTP_ADDR": "127.0.0.1:1", "CONSUL_HTTP_TOKEN": "secret"},
			[]string{"--http-addr", server.URL, "--token", "other", "--datacenter", "dc2", "--stale"},
			map[string]string{"token": "other", "query": "a=b&dc=dc2&stale="},
		},
		"token file": {
			map[string]string{"CONSUL_HTTP_ADDR": host, "CONSUL_HTTP_TOKEN": "secret"}, []string{"--token-file", file},
			map[string]string{"token": "from-file", "query": "a=b"},
		},
		"a proxy in front, below a path": {
			map[string]string{"CONSUL_HTTP_ADDR": server.URL + "/consul/", "CONSUL_HTTP_AUTH": "me:pass:word"}, nil,
			map[string]string{"path": "/consul/v1/kv/a%20b%25", "user": "me", "password": "pass:word"},
		},
		"several agents: the first": {map[string]string{"CONSUL_HTTP_ADDR": host + ",127.0.0.1:1"}, nil, map[string]string{"query": "a=b"}},
	} {
		t.Run(name, func(t *testing.T) {
			agent, err := connect(t, c.variables, c.args...)
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			if err := agent.Get(t.Context(), "/v1/kv/a b%", url.Values{"a": {"b"}}, &got); err != nil {
				t.Fatal(err)
			}
			for key, want := range c.want {
				if got[key] != want {
					t.Errorf("%s is %q, want %q", key, got[key], want)
				}
			}
		})
	}
}

func TestUnixSocket(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("sockets are files elsewhere")
	}
	path := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: http.HandlerFunc(echo)}}
	server.Start()
	t.Cleanup(server.Close)
	agent, err := connect(t, map[string]string{"CONSUL_HTTP_ADDR": "unix://" + path})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	if err := agent.Get(t.Context(), "/v1/x", nil, &got); err != nil || got["path"] != "/v1/x" {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestTLS(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(echo))
	t.Cleanup(server.Close)
	got := map[string]string{}
	agent, err := connect(t, map[string]string{"CONSUL_HTTP_ADDR": strings.TrimPrefix(server.URL, "https://"), "CONSUL_HTTP_SSL": "true", "CONSUL_HTTP_SSL_VERIFY": "false"})
	if err != nil {
		t.Fatal(err)
	}
	if err := agent.Get(t.Context(), "/v1/x", nil, &got); err != nil {
		t.Error(err)
	}
	agent, err = connect(t, map[string]string{"CONSUL_HTTP_ADDR": server.URL})
	if err != nil {
		t.Fatal(err)
	}
	if err := agent.Get(t.Context(), "/v1/x", nil, &got); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an unknown authority: %v", err)
	}
}

func TestWhatMakesNoSenseIsWrongUsage(t *testing.T) {
	for name, c := range map[string]struct {
		variables map[string]string
		args      []string
	}{
		"address":        {map[string]string{"CONSUL_HTTP_ADDR": "http://[::1"}, nil},
		"scheme":         {nil, []string{"--http-addr", "ftp://x"}},
		"boolean":        {map[string]string{"CONSUL_HTTP_SSL": "maybe"}, nil},
		"token file":     {nil, []string{"--token-file", "/no/such/file"}},
		"authority file": {nil, []string{"--ca-file", "/no/such/file"}},
	} {
		if _, err := connect(t, c.variables, c.args...); err == nil || command.ExitCode(err) != command.ExitUsage {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestErrors(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "No cluster leader", http.StatusInternalServerError)
	}))
	t.Cleanup(server.Close)
	agent, err := connect(t, nil, "--http-addr", server.URL)
	if err != nil {
		t.Fatal(err)
	}
	_, err = agent.Do(t.Context(), http.MethodPut, "/v1/agent/leave", nil, nil)
	if status, ok := errors.AsType[*agentapi.StatusError](err); !ok || status.Code != http.StatusInternalServerError ||
		err.Error() != "Unexpected response code: 500 (No cluster leader)" {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := agent.Do(ctx, http.MethodGet, "/v1/x", nil, nil); err == nil || err.Error() != "interrupted" {
		t.Errorf("interrupted: %v", err)
	}
	agent, err = connect(t, nil, "--http-addr", "127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := agent.Do(t.Context(), http.MethodGet, "/v1/x", nil, nil); command.Advice(err) == "" {
		t.Errorf("without advice: %v", err)
	}
}
