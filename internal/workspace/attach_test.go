//go:build unix

package workspace_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/pandakit/panda/internal/workspace"
)

// accept listens and drops connections, as far as a port is all that counts.
func accept(t *testing.T) (address string, stop func()) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, "x")
			_ = conn.Close()
		}
	}()
	stop = func() {
		_ = listener.Close()
		<-ended
	}
	t.Cleanup(stop)
	return listener.Addr().String(), stop
}

func TestAttachAnAddressUntilItIsGone(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.run(program("web"), program("other"))
	s.await(workspace.Ready, "")
	address, stop := accept(t)
	got, err := s.runner.Attach(t.Context(), "web", address)
	if err != nil || got != address {
		t.Fatalf("Attach = %q, %v", got, err)
	}
	if e := s.await(workspace.Attached, "web"); e.Address != address {
		t.Errorf("told is %q, want %s", e.Address, address)
	}
	s.until(func() bool {
		known, err := s.registry.Instances(t.Context())
		return err == nil && known["web-attached"].Address == address && len(known) == 2
	})
	if status := s.runner.Status()[0]; status.State != "attached" || status.Address != address || len(s.serving("web")) != 0 {
		t.Errorf("the service is %+v", status)
	}
	for name, err := range map[string]error{
		"restart": s.runner.Restart(t.Context(), []string{"web"}),
		"scale":   s.runner.Scale(t.Context(), "web", 2),
		"stop":    s.runner.Stop(t.Context(), []string{"web"}),
	} {
		if _, refused := errors.AsType[*workspace.RefusedError](err); !refused || !strings.Contains(err.Error(), "panda attach --detach web") {
			t.Errorf("%s while it is attached: %v", name, err)
		}
	}
	stop()
	if e := s.await(workspace.Detached, "web"); !strings.Contains(e.Reason, address) {
		t.Errorf("detached because %q", e.Reason)
	}
	s.await(workspace.Passing, "web")
	s.until(func() bool {
		known, err := s.registry.Instances(t.Context())
		return err == nil && len(known) == 2 && dialable(known["web-1.2"].Address)
	})
}

func TestAttachWaitsForAnInstance(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.run(program("web"))
	s.await(workspace.Ready, "")
	attached := make(chan error, 1)
	var address string
	ctx, cancel := context.WithTimeout(t.Context(), long)
	defer cancel()
	go func() {
		var err error
		address, err = s.runner.Attach(ctx, "web", "")
		attached <- err
	}()
	port, _ := accept(t)
	s.register("debugged-by-me", portOf(t, port))
	if err := <-attached; err != nil || address != port {
		t.Fatalf("Attach = %q, %v; want %s", address, err, port)
	}
	if err := s.runner.Detach(t.Context(), "web"); err != nil {
		t.Fatal(err)
	}
	if now := s.serving("web"); !dialable(now["web-1.2"]) {
		t.Errorf("%v serve after Detach", now)
	}
	if n := s.registered(); n != 2 {
		t.Errorf("%d instances are registered, want the one that was attached to be left alone", n)
	}
}

func portOf(t *testing.T, address string) int {
	t.Helper()
	tcp, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return tcp.Port
}

// Whoever gives up waiting, and whoever is not there, changes nothing.
func TestAttachThatComesToNothing(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.run(program("web"))
	s.await(workspace.Ready, "")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := s.runner.Attach(ctx, "web", ""); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Attach that waits in vain = %v", err)
	}
	nobody := freeAddress(t)
	if _, err := s.runner.Attach(t.Context(), "web", nobody); err == nil || err.Error() != "nothing takes connections at "+nobody {
		t.Errorf("Attach where nothing listens = %v", err)
	}
	if now := s.serving("web"); !dialable(now["web-1"]) {
		t.Errorf("%v serve, want web-1 as before", now)
	}
	waiting := make(chan error, 1)
	go func() {
		_, err := s.runner.Attach(context.Background(), "web", "")
		waiting <- err
	}()
	if err := s.end(); err != nil {
		t.Errorf("Run = %v", err)
	}
	if err := <-waiting; err == nil {
		t.Error("Attach goes on waiting when all is stopped")
	}
}

// What is attached when all is stopped is let go, and nothing of it stays registered.
func TestEndWhileAttached(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.run(program("web"))
	s.await(workspace.Ready, "")
	address, _ := accept(t)
	if _, err := s.runner.Attach(t.Context(), "web", address); err != nil {
		t.Fatal(err)
	}
	s.until(func() bool { return s.registered() == 1 })
	if err := s.end(); err != nil {
		t.Errorf("Run = %v", err)
	}
	if n := s.registered(); n != 0 {
		t.Errorf("%d instances are registered at the end", n)
	}
}
