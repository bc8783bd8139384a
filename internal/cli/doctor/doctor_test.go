package doctor

import (
	"bytes"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/pandakit/panda/internal/cli/agentapi"
	"github.com/pandakit/panda/internal/cli/command"
)

// examine runs one check for an agent at an address.
func examine(t *testing.T, address string, variables map[string]string) []finding {
	t.Helper()
	if variables == nil {
		variables = map[string]string{}
	}
	variables["CONSUL_HTTP_ADDR"] = address
	env := &command.Env{Getenv: func(name string) string { return variables[name] }}
	return registry(t.Context(), &patient{env: env, flags: agentapi.AddFlags(pflag.NewFlagSet("test", pflag.ContinueOnError))})
}

// agent answers as one of a version whose clock is off, and whose cluster has a leader or none.
func agent(t *testing.T, version string, off time.Duration, leader string) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/v1/agent/self", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", time.Now().Add(off).UTC().Format(http.TimeFormat))
		_, _ = w.Write([]byte(`{"Config":{"Datacenter":"dc1","NodeName":"n","Version":"` + version + `"}}`))
	})
	mux.HandleFunc("/v1/status/leader", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`"` + leader + `"`)) })
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

// say is all findings in one text.
func say(all []finding) string {
	var b strings.Builder
	for _, f := range all {
		b.WriteString(string(f.Level) + " " + f.Text + "\n")
	}
	return b.String()
}

func TestRegistry(t *testing.T) {
	silent := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(silent.Close)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) }))
	t.Cleanup(other.Close)
	guarded := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "Permission denied", http.StatusForbidden)
	}))
	t.Cleanup(guarded.Close)
	for name, c := range map[string]struct {
		address string
		want    []string
	}{
		"Consul":       {agent(t, "1.22.0", 0, "a:8300"), []string{"ok Consul 1.22.0 at http://127.0.0.1:", "node n in dc1", "ok the agent's and this machine's agree"}},
		"panda":        {agent(t, "1.12.9+panda", 0, "a:8300"), []string{"ok panda's agent 1.12.9+panda"}},
		"old":          {agent(t, "1.9.3", 0, "a:8300"), []string{"warning Consul 1.9.3 is older"}},
		"clock ahead":  {agent(t, "1.22.0", time.Minute, "a:8300"), []string{"warning the agent's clock and this machine's differ by "}},
		"clock behind": {agent(t, "1.22.0", -time.Minute, "a:8300"), []string{"warning the agent's clock and this machine's differ by "}},
		"no leader":    {agent(t, "1.22.0", 0, ""), []string{"problem its cluster has no leader"}},
		"away":         {"127.0.0.1:1", []string{"problem 127.0.0.1:1 does not answer: "}},
		"not found":    {silent.URL, []string{"problem http://127.0.0.1:", "answers with an error: Unexpected response code: 404"}},
		"no agent":     {other.URL, []string{"is no Consul agent"}},
		"guarded":      {guarded.URL, []string{"refuses the question: Unexpected response code: 403 (Permission denied)"}},
		"malformed":    {"http://[::1", []string{"problem "}},
	} {
		t.Run(name, func(t *testing.T) {
			got := say(examine(t, c.address, nil))
			for _, want := range c.want {
				if !strings.Contains(got, want) {
					t.Errorf("no %q in\n%s", want, got)
				}
			}
		})
	}
}

func TestPort(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	number := listener.Addr().(*net.TCPAddr).Port
	if f := port("HTTP", number, "tcp"); !strings.HasPrefix(f.Text, "taken by ") {
		t.Errorf("taken: %+v", f)
	}
	_ = listener.Close()
	if f := port("HTTP", number, "tcp"); f.Level != fine || !strings.HasPrefix(f.Text, "free") {
		t.Errorf("free: %+v", f)
	}
}

func TestSpares(t *testing.T) {
	for list, want := range map[string]bool{
		"": false, "example.org": false, "localhost": false, "127.0.0.1": true, "127.0.0.0/8": true, "*": true, "10.0.0.0/8, 127.0.0.1": true,
	} {
		if got := spares(list, "127.0.0.1"); got != want {
			t.Errorf("%q: got %v", list, got)
		}
	}
}

func TestVariablesMakeSense(t *testing.T) {
	for variable, want := range map[string]level{
		"PANDA_ADDR=127.0.0.1:0": fine, "PANDA_ADDR=:8080": fine, "PANDA_ADDR=8080": problem, "PANDA_ADDR=a:99999": problem,
		"PANDA_ADVERTISE=::1": fine, "PANDA_ADVERTISE=example.org": fine, "PANDA_ADVERTISE=a:b": problem, "PANDA_ADVERTISE=http://x": problem,
		"PANDA_INSTANCE=x": fine, "PANDA_INSTENCE=x": warning, "PANDA_TEST_CONSUL=x": fine, "OTHER=x": fine, "PANDA_ADDR=": fine,
	} {
		got := variables(t.Context(), &patient{env: &command.Env{Environ: func() []string { return []string{variable} }}})
		if len(got) != 1 || got[0].Level != want {
			t.Errorf("%s: got %+v", variable, got)
		}
	}
}

func TestShow(t *testing.T) {
	var out bytes.Buffer
	env := &command.Env{Stdout: &out}
	all := []finding{{Check: "a", Level: fine, Text: "well"}, {Check: "b", Level: warning, Text: "so\nso", Do: "this"}, {Check: "c", Level: problem, Text: "bad"}}
	if err := show(env, all, false); err != nil {
		t.Fatal(err)
	}
	if want := "✓ a: well\n! b: so so\n    this\n✗ c: bad\n1 problem, 1 warning\n"; out.String() != want {
		t.Errorf("got %q, want %q", &out, want)
	}
}
