package why

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/internal/cli/command"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fixed is a registry that knows one set.
type fixed struct{ snapshot discovery.Snapshot }

func (fixed) Announce(context.Context, discovery.Announcement) error {
	return errors.New("announcing is not for commands")
}

func (f fixed) Watch(ctx context.Context, service string, update func(discovery.Snapshot)) error {
	s := f.snapshot
	s.Service, s.Registry = service, "fixed"
	update(s)
	<-ctx.Done()
	return ctx.Err()
}

func (fixed) Services(context.Context) ([]string, error) { return []string{"hello"}, nil }
func (fixed) String() string                             { return "fixed" }

// listen returns the port of a server that takes connections, and that of one that is gone.
func listen(t *testing.T) (open, closed int) {
	t.Helper()
	port := func(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }
	a, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	b, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = b.Close()
	return port(a), port(b)
}

func TestEveryInstanceHasAReason(t *testing.T) {
	open, closed := listen(t)
	passing, critical := []discovery.Check{{Status: discovery.Passing}}, []discovery.Check{{Status: discovery.Critical, Output: "TTL expired\n"}}
	at := func(id string, port, distance int, checks []discovery.Check) discovery.Instance {
		return discovery.Instance{ID: id, Service: "hello", Address: "127.0.0.1", Port: port, Node: "n", Distance: distance, Checks: checks}
	}
	registry := fixed{discovery.Snapshot{Instances: []discovery.Instance{
		at("good", open, 0, passing), at("unchecked", open, 0, nil), at("gone", closed, 0, passing), at("ill", open, 0, critical), at("far", open, 1, passing),
	}}}
	var out bytes.Buffer
	env := &command.Env{Stdout: &out}
	if err := run(t.Context(), env, registry, "hello", false); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"✓ good at ", "on n: used: passing, and takes connections\n", "used: it has no checks, and takes connections\n",
		"✗ gone at ", "not used: passing, but no connection from this machine: ", "not used: critical: TTL expired\n",
		"✗ far at ", "not used: passing, but nearer datacenters have usable instances\n", "calls go to 2 of its 5 instances\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
}

// The nearest instance that can be called is used, however far it is.
func TestAFarInstanceIsUsedWhenNoNearerIs(t *testing.T) {
	open, closed := listen(t)
	var out bytes.Buffer
	err := run(t.Context(), &command.Env{Stdout: &out}, fixed{discovery.Snapshot{Instances: []discovery.Instance{
		{ID: "near", Address: "127.0.0.1", Port: closed}, {ID: "far", Address: "127.0.0.1", Port: open, Distance: 2},
	}}}, "hello", false)
	if err != nil || !strings.Contains(out.String(), "calls go to 1 of its 2 instances") {
		t.Errorf("%v\n%s", err, &out)
	}
}

func TestNoneIsUsable(t *testing.T) {
	for name, c := range map[string]struct {
		snapshot discovery.Snapshot
		service  string
		want     string
	}{
		"unknown": {discovery.Snapshot{}, "helo", "the registry has no such service; near: hello\n"},
		"away":    {discovery.Snapshot{Err: errors.New("refused")}, "hello", "does not answer: refused\n"},
		"ill":     {discovery.Snapshot{Instances: []discovery.Instance{{ID: "a", Checks: []discovery.Check{{Status: discovery.Maintenance}}}}}, "hello", "its one instance is not usable\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			err := run(t.Context(), &command.Env{Stdout: &out}, fixed{c.snapshot}, c.service, false)
			if command.ExitCode(err) != command.ExitFailed || !command.IsSilent(err) || !strings.Contains(out.String(), c.want) {
				t.Errorf("%v\n%s", err, &out)
			}
		})
	}
}
