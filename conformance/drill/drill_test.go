package drill_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/pandakit/panda"
	"github.com/pandakit/panda/conformance/drill"
	"github.com/pandakit/panda/conformance/drill/drillpb"
	"github.com/pandakit/panda/conformance/realconsul"
	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/discovery/consul"
)

const (
	instances = 3
	callers   = 16 // that read, and as many that write
	patience  = 60 * time.Second
)

// system is three instances of a service, the registry they are in, and callers that count.
type system struct {
	registry  registry
	processes []*drill.Process
	seen      *consul.Registry // the test's own view
	load      *drill.Load
}

// registry is one process that can be killed and started again, empty, at the same address.
type registry interface {
	Address() string
	Kill()
	Restart(t testing.TB)
}

// everyRegistry runs the drill against the embedded agent and against a real Consul.
func everyRegistry(t *testing.T, run func(t *testing.T, s *system)) {
	t.Helper()
	service := drill.Build(t, ".", "./service")
	t.Run("agent", func(t *testing.T) { run(t, startSystem(t, startAgent(t), service)) })
	t.Run("consul", func(t *testing.T) { run(t, startSystem(t, realconsul.Start(t, realconsul.Options{}), service)) })
}

func startSystem(t *testing.T, r registry, service string) *system {
	t.Helper()
	s := &system{registry: r}
	for range instances {
		s.processes = append(s.processes, drill.Start(t, []string{"CONSUL_HTTP_ADDR=" + r.Address(), "PANDA_ADDR=127.0.0.1:0"}, service))
	}
	var err error
	if s.seen, err = consul.New(consul.Config{Addresses: []string{r.Address()}}); err != nil {
		t.Fatal(err)
	}
	s.await(t, "all instances registered", func(known discovery.Snapshot) bool {
		return known.Err == nil && len(known.Usable()) == instances
	})
	conn, err := panda.Dial("drill", panda.WithRegistry(s.seen))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	})
	s.load = drill.StartLoad(drillpb.NewDrillClient(conn), callers)
	t.Cleanup(func() { s.load.Stop() })
	s.awaitAnswers(t, s.processes...)
	return s
}

// await waits until the registry's own view of the service meets the condition.
func (s *system) await(t *testing.T, what string, met func(discovery.Snapshot) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	fresh, err := consul.New(consul.Config{Addresses: []string{s.registry.Address()}})
	if err != nil {
		t.Fatal(err)
	}
	reached := false
	_ = fresh.Watch(ctx, "drill", func(known discovery.Snapshot) {
		if met(known) {
			reached = true
			cancel()
		}
	})
	if !reached {
		t.Fatalf("%s: not reached within %v", what, patience)
	}
}

// awaitAnswers waits until each of the processes has answered a thousand more calls.
func (s *system) awaitAnswers(t *testing.T, processes ...*drill.Process) {
	t.Helper()
	const enough = 1000
	before := s.load.Answers()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	deadline := time.After(patience)
	for {
		after, all := s.load.Answers(), true
		for _, p := range processes {
			all = all && after[p.PID()] >= before[p.PID()]+enough
		}
		if all {
			return
		}
		select {
		case <-poll.C:
		case <-deadline:
			t.Fatalf("instances answered no %d more calls within %v: before %v, after %v", enough, patience, before, after)
		}
	}
}

func noneFailed(t *testing.T, kind string, c drill.Count) {
	t.Helper()
	t.Logf("%s: %d calls, %d failed", kind, c.Calls, len(c.Failed))
	if c.Calls == 0 {
		t.Errorf("%s: no calls were made", kind)
	}
	for i, f := range c.Failed {
		if i == 5 {
			break
		}
		t.Errorf("%s of caller %d, started %s, failed after %v: %v", kind, f.Caller, f.Started.Format(time.StampMilli), f.Elapsed, f.Err)
	}
}

// A registry that is killed and comes back with nothing in it costs no call, neither while it is away
// nor when it answers "none" about instances that are alive.
func TestRegistryKilledAndRestarted(t *testing.T) {
	everyRegistry(t, func(t *testing.T, s *system) {
		s.registry.Kill()
		s.awaitAnswers(t, s.processes...)
		s.registry.Restart(t)
		s.await(t, "all instances back in the registry", func(known discovery.Snapshot) bool {
			return known.Err == nil && len(known.Usable()) == instances
		})
		s.awaitAnswers(t, s.processes...)
		reads, writes := s.load.Stop()
		noneFailed(t, "read", reads)
		noneFailed(t, "write", writes)
	})
}

// An instance that is killed costs at most the calls in flight on it, and of those only what must not be
// sent twice.
func TestInstanceKilled(t *testing.T) {
	everyRegistry(t, func(t *testing.T, s *system) {
		killed := time.Now()
		s.processes[0].Kill()
		s.awaitAnswers(t, s.processes[1:]...)
		reads, writes := s.load.Stop()
		noneFailed(t, "read", reads)
		t.Logf("write: %d calls, %d failed", writes.Calls, len(writes.Failed))
		failed := map[int]bool{}
		for _, f := range writes.Failed {
			if failed[f.Caller] {
				t.Errorf("write of caller %d failed again after %v, with no call in flight on the instance: %v", f.Caller, f.Started.Sub(killed), f.Err)
			}
			failed[f.Caller] = true
			if status.Code(f.Err) != codes.Unavailable {
				t.Errorf("write of caller %d failed with %v, want UNAVAILABLE", f.Caller, f.Err)
			}
		}
	})
}

// An instance that is asked to stop costs no call, and exits cleanly.
func TestInstanceTerminated(t *testing.T) {
	everyRegistry(t, func(t *testing.T, s *system) {
		if err := s.processes[0].Terminate(); err != nil {
			t.Errorf("instance exited with %v, want a clean exit", err)
		}
		s.await(t, "the instance has left the registry", func(known discovery.Snapshot) bool {
			return known.Err == nil && len(known.Instances) == instances-1
		})
		s.awaitAnswers(t, s.processes[1:]...)
		reads, writes := s.load.Stop()
		noneFailed(t, "read", reads)
		noneFailed(t, "write", writes)
	})
}
