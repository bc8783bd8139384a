//go:build unix

package workspace_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pandakit/panda/internal/workspace"
)

// serving returns the IDs and addresses of a service's instances that serve.
func (s *stage) serving(name string) map[string]string {
	s.t.Helper()
	found := map[string]string{}
	for _, service := range s.runner.Status() {
		for _, i := range service.Instances {
			if service.Name == name && i.Role == "serving" {
				found[i.ID] = i.Address
			}
		}
	}
	return found
}

// registered returns how many instances the registry has.
func (s *stage) registered() int {
	s.t.Helper()
	known, err := s.registry.Instances(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return len(known)
}

func TestRestartReplacesOneAfterTheOther(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	web := program("web")
	web.Replicas = 2
	s.run(web)
	s.await(workspace.Ready, "")
	before := s.pids(2)
	if err := s.runner.Restart(t.Context(), []string{"web"}); err != nil {
		t.Fatal(err)
	}
	for _, label := range []string{"web-1", "web-2"} {
		if e := s.await(workspace.Replaced, label); !dialable(e.Address) || e.Took <= 0 {
			t.Errorf("%s is replaced by %q after %v, where nothing listens", label, e.Address, e.Took)
		}
	}
	s.allGone(before)
	now := s.serving("web")
	for _, id := range []string{"web-1.2", "web-2.2"} {
		if !dialable(now[id]) {
			t.Errorf("%v serve, want %s among them, an ID of its own", now, id)
		}
	}
	s.until(func() bool { return s.registered() == 2 })
	if err := s.end(); err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
	for _, e := range s.seen {
		if e.Kind == workspace.Failing || e.Kind == workspace.Crashed || e.Kind == workspace.Retired {
			t.Errorf("it is told that an instance failed: %+v", e)
		}
	}
	s.allGone(s.pids(4))
}

// A new instance that crashes, or does not pass, is given up; the old one is not touched.
func TestRestartKeepsWhatServes(t *testing.T) {
	t.Parallel()
	for mode, want := range map[string]string{
		"crashif": "web: it ended with exit code 3 after ",
		"sickif":  "web: it was not passing after 2s: its check is critical: the database is away; the instance before it serves on",
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			marker := filepath.Join(t.TempDir(), "marker")
			s.config.Patience = 2 * time.Second
			s.run(program("web", mode, marker))
			s.await(workspace.Ready, "")
			old := s.serving("web")
			if err := os.WriteFile(marker, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			err := s.runner.Restart(t.Context(), []string{"web"})
			if err == nil || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("Restart = %v, want %q", err, want)
			}
			if e := s.await(workspace.Kept, "web"); e.Err == nil {
				t.Error("it is not told why")
			}
			if now := s.serving("web"); fmt.Sprint(now) != fmt.Sprint(old) || !dialable(now["web-1"]) {
				t.Errorf("%v serve, want %v as before", now, old)
			}
			s.until(func() bool { return s.registered() == 1 })
			if err := os.Remove(marker); err != nil {
				t.Fatal(err)
			}
			if err := s.runner.Restart(t.Context(), []string{"web"}); err != nil {
				t.Errorf("Restart once it is well = %v", err)
			}
		})
	}
}

// A program with a port of its own cannot run twice; that is known from its environment, or found out.
func TestRestartDrainsFirstWhatCannotRunTwice(t *testing.T) {
	t.Parallel()
	for name, configure := range map[string]func(web *workspace.Service, address string){
		"PANDA_ADDR":    func(web *workspace.Service, address string) { web.Env = map[string]string{"PANDA_ADDR": address} },
		"a port it has": func(web *workspace.Service, address string) { web.Args = []string{"port", address} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			web := program("web")
			configure(web, freeAddress(t))
			s.run(web)
			s.await(workspace.Ready, "")
			for range 2 {
				if err := s.runner.Restart(t.Context(), []string{"web"}); err != nil {
					t.Fatal(err)
				}
				s.await(workspace.Emptied, "web")
				s.await(workspace.Passing, "web")
			}
		})
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func TestRestartOfWhatRegistersNothing(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	worker, once := program("worker", "silent"), program("once", "oneshot")
	worker.Registry, once.Oneshot = "", true
	s.run(worker, once)
	s.await(workspace.Ready, "")
	before := s.pids(2)
	if err := s.runner.Restart(t.Context(), []string{"worker", "once"}); err != nil {
		t.Fatal(err)
	}
	s.await(workspace.Finished, "once")
	s.pids(4)
	s.allGone(before)
}

func TestScaleWhatRuns(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.run(program("web"), program("other"))
	s.await(workspace.Ready, "")
	if err := s.runner.Scale(t.Context(), "web", 3); err != nil {
		t.Fatal(err)
	}
	now := s.serving("web")
	for _, id := range []string{"web-1", "web-2", "web-3"} {
		if !dialable(now[id]) {
			t.Errorf("%v serve, want %s among them", now, id)
		}
	}
	if err := s.runner.Scale(t.Context(), "web", 1); err != nil {
		t.Fatal(err)
	}
	if now = s.serving("web"); len(now) != 1 || !dialable(now["web-1"]) {
		t.Errorf("%v serve, want the oldest", now)
	}
	s.until(func() bool { return s.registered() == 2 })
	if err := s.runner.Scale(t.Context(), "web", 2); err != nil || !dialable(s.serving("web")["web-2.2"]) {
		t.Errorf("Scale up again = %v; %v serve, want web-2.2 among them", err, s.serving("web"))
	}
}

// labels returns those of a service's instances that serve, by their places.
func (s *stage) labels(name string) string {
	s.t.Helper()
	var labels []string
	for _, service := range s.runner.Status() {
		for _, i := range service.Instances {
			if service.Name == name && i.Role == "serving" {
				labels = append(labels, i.Label)
			}
		}
	}
	return strings.Join(labels, " ")
}

// An instance is called the same for as long as the workspace runs, whatever is done to it and to those beside it.
func TestLabelsAreKept(t *testing.T) {
	t.Parallel()
	for replicas, first := range map[int]string{1: "web", 2: "web-1"} {
		t.Run(first, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			web := program("web")
			web.Replicas = replicas
			s.run(web, program("other"))
			s.await(workspace.Ready, "")
			scale := func(n int) error { return s.runner.Scale(t.Context(), "web", n) }
			restart := func() error { return s.runner.Restart(t.Context(), []string{"web"}) }
			stop := func() error { return s.runner.Stop(t.Context(), []string{"web"}) }
			for _, step := range []struct {
				name string
				do   func() error
				want string
			}{
				{"scale up", func() error { return scale(3) }, first + " web-2 web-3"},
				{"restart of several", restart, first + " web-2 web-3"},
				{"scale down", func() error { return scale(1) }, first},
				{"restart of one", restart, first},
				{"stop", stop, ""},
				{"restart of what is stopped", restart, first},
				{"stop again", stop, ""},
				{"scale up what is stopped", func() error { return scale(2) }, first + " web-2"},
			} {
				if err := step.do(); err != nil {
					t.Fatalf("%s: %v", step.name, err)
				}
				if labels := s.labels("web"); labels != step.want {
					t.Errorf("after %s the labels are %q, want %q", step.name, labels, step.want)
				}
			}
		})
	}
}

func TestScaleGivesUpWhatDoesNotPass(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	marker := filepath.Join(t.TempDir(), "marker")
	s.run(program("web", "crashif", marker))
	s.await(workspace.Ready, "")
	if err := os.WriteFile(marker, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := s.runner.Scale(t.Context(), "web", 3)
	if err == nil || !strings.HasPrefix(err.Error(), "start web-2: it ended with exit code 3 after ") {
		t.Errorf("Scale = %v", err)
	}
	s.until(func() bool { return s.registered() == 1 && len(s.runner.Status()[0].Instances) == 1 })
}

func TestStopAndStartAgain(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	web := program("web")
	web.Replicas = 2
	s.run(web, program("other"))
	s.await(workspace.Ready, "")
	if err := s.runner.Stop(t.Context(), []string{"web"}); err != nil {
		t.Fatal(err)
	}
	if now := s.serving("web"); len(now) != 0 || s.runner.Status()[0].State != "stopped" {
		t.Errorf("%v serve, in state %s", now, s.runner.Status()[0].State)
	}
	s.await(workspace.Stopped, "web-1")
	if err := s.runner.Restart(t.Context(), []string{"web"}); err != nil {
		t.Fatal(err)
	}
	if now := s.serving("web"); len(now) != 2 || s.runner.Status()[0].State != "running" {
		t.Errorf("%v serve, in state %s; want as many as before", now, s.runner.Status()[0].State)
	}
	if err := s.end(); err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
}

func TestWhatMakesNoSense(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	fixed, once, worker := program("fixed"), program("once", "oneshot"), program("worker", "silent")
	fixed.Env, once.Oneshot, worker.Registry = map[string]string{"PANDA_ADDR": freeAddress(t)}, true, ""
	s.run(program("web"), fixed, once, worker)
	s.await(workspace.Ready, "")
	ctx := t.Context()
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"scale an unknown one":   {s.runner.Scale(ctx, "wbe", 2), `no service is called "wbe"; near: web`},
		"scale to nothing":       {s.runner.Scale(ctx, "web", 0), "run 0 replicas of web: want 1 to 100"},
		"scale beyond the bound": {s.runner.Scale(ctx, "web", 101), "run 101 replicas of web: want 1 to 100"},
		"scale one port":         {s.runner.Scale(ctx, "fixed", 2), "is one port"},
		"scale a one-shot":       {s.runner.Scale(ctx, "once", 2), "run 2 replicas of once: it is a one-shot program"},
		"restart an unknown one": {s.runner.Restart(ctx, []string{"web", "nope"}), `no service is called "nope"`},
		"stop an unknown one":    {s.runner.Stop(ctx, []string{"nope"}), `no service is called "nope"`},
		"detach":                 {s.runner.Detach(ctx, "web"), "nothing is attached to web"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, c.err, c.want)
		}
		_, unknown := errors.AsType[*workspace.UnknownServiceError](c.err)
		if _, refused := errors.AsType[*workspace.RefusedError](c.err); !unknown && !refused {
			t.Errorf("%s: %T is no wrong request", name, c.err)
		}
	}
	if _, err := s.runner.Attach(ctx, "worker", ""); err == nil {
		t.Error("a worker can be attached that nobody would find")
	}
	if err := s.end(); err != nil {
		t.Errorf("Run = %v", err)
	}
	if err := s.runner.Restart(ctx, []string{"web"}); err == nil || !strings.Contains(err.Error(), "not running") {
		t.Errorf("Restart after the end = %v", err)
	}
}

// What is under way when all are to stop is given up, and leaves nothing behind.
func TestEndWhileReplacing(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	marker := filepath.Join(t.TempDir(), "marker")
	s.run(program("web", "sickif", marker))
	s.await(workspace.Ready, "")
	if err := os.WriteFile(marker, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	restarted := make(chan error, 1)
	go func() { restarted <- s.runner.Restart(context.Background(), []string{"web"}) }()
	pids := s.pids(2)
	if err := s.end(); err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
	if err := <-restarted; err == nil || !strings.Contains(err.Error(), "being stopped") {
		t.Errorf("Restart = %v, want that the services are being stopped", err)
	}
	s.allGone(pids)
	if n := s.registered(); n != 0 {
		t.Errorf("%d instances are registered at the end", n)
	}
}
