package drill_test

import (
	"context"
	"net"
	"testing"

	"go.uber.org/goleak"

	"github.com/pandakit/panda/conformance/drill"
	"github.com/pandakit/panda/conformance/freeport"
	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/discovery/consul"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// agent is "panda agent" in a process of its own.
type agent struct {
	program, address string
	process          *drill.Process
}

func startAgent(t *testing.T) *agent {
	t.Helper()
	a := &agent{program: drill.Build(t, "../..", "./cmd/panda"), address: freeport.Local(freeport.Find(t, 1)[0])}
	a.Restart(t)
	return a
}

func (a *agent) Address() string { return a.address }

func (a *agent) Kill() { a.process.Kill() }

// Restart starts the agent and returns once it answers.
func (a *agent) Restart(t testing.TB) {
	t.Helper()
	_, port, err := net.SplitHostPort(a.address)
	if err != nil {
		t.Fatal(err)
	}
	a.process = drill.Start(t, nil, a.program, "agent", "-dev", "-http-port="+port)
	view, err := consul.New(consul.Config{Addresses: []string{a.address}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	answered := false
	_ = view.Watch(ctx, "any", func(s discovery.Snapshot) {
		if s.Err == nil {
			answered = true
			cancel()
		}
	})
	if !answered {
		t.Fatalf("the agent at %s does not answer within %v", a.address, patience)
	}
}
