//go:build unix

package workspace_test

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pandakit/panda/internal/workspace"
)

func TestRunStartsInOrderAndDrainsInReverse(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	db, web := program("db"), program("web")
	db.Replicas, web.After = 2, []string{"db"}
	s.run(db, web)
	if e := s.await(workspace.Passing, "web"); !dialable(e.Address) || e.Took <= 0 {
		t.Errorf("web is passing at %q after %v, where nothing listens", e.Address, e.Took)
	}
	var before []string
	for _, e := range s.seen {
		before = append(before, e.Label)
	}
	slices.Sort(before)
	if want := []string{"db-1", "db-2", "web"}; !slices.Equal(before, want) {
		t.Errorf("before web passes there are events of %q, want %q", before, want)
	}
	if e := s.await(workspace.Ready, ""); e.Count != 3 {
		t.Errorf("ready with %d instances, want 3", e.Count)
	}
	pids := s.pids(3)
	if err := s.end(); err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
	s.allGone(pids)
	var stopped []string
	for _, e := range s.seen {
		if e.Kind == workspace.Stopped {
			stopped = append(stopped, fmt.Sprint(e.Label, " ", e.Exit, " ", e.Killed))
		}
	}
	slices.Sort(stopped[1:])
	if want := []string{"web exit code 0 false", "db-1 exit code 0 false", "db-2 exit code 0 false"}; !slices.Equal(stopped, want) {
		t.Errorf("stopped are %q, want %q", stopped, want)
	}
	if known, err := s.registry.Instances(t.Context()); err != nil || len(known) > 0 {
		t.Errorf("registered at the end are %v, %v, want none", known, err)
	}
}

func TestRunGivesEachInstanceItsEnvironment(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.config.Environ = append(s.config.Environ, "PANDA_ADDR=1.2.3.4:5", "PANDA_INSTANCE=x", "PANDA_ADVERTISE=y", "PANDA_WEIGHT=3", "PANDA_REGISTER=no", "SHARED=outer")
	p := program("env", "env")
	p.Oneshot, p.Env = true, map[string]string{"OWN": "1", "SHARED": "inner"}
	s.run(p)
	s.await(workspace.AllFinished, "")
	if err := s.wait(); err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
	for _, want := range []string{
		"PANDA_ADDR 127.0.0.1:0 true", "PANDA_INSTANCE env-1 true", "PANDA_ADVERTISE  false",
		"PANDA_WEIGHT 100 true", "PANDA_REGISTER  false",
		"CONSUL_HTTP_ADDR " + s.address + " true", "OWN 1 true", "SHARED inner true", "dir " + p.Dir,
	} {
		if !strings.Contains(s.logs(), "│ "+want+"\n") {
			t.Errorf("logs have no %q:\n%s", want, s.logs())
		}
	}
}

func TestRunRestartsWhatCrashes(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.run(program("shaky", "crashonce", filepath.Join(t.TempDir(), "marker")))
	if e := s.await(workspace.Crashed, "shaky"); e.Exit.Code != 3 || e.Delay <= 0 {
		t.Errorf("crashed with %v, restart in %v, want exit code 3 and a delay", e.Exit, e.Delay)
	}
	s.await(workspace.Passing, "shaky")
	s.await(workspace.Ready, "")
	if err := s.end(); err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
}

func TestRunDoesNotTakeTheDeadForTheLiving(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.run(program("victim"))
	first := s.await(workspace.Passing, "victim")
	if err := syscall.Kill(s.pids(1)[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if e := s.await(workspace.Crashed, "victim"); e.Exit.Signal != "killed" {
		t.Errorf("crashed with %v, want that it was killed", e.Exit)
	}
	second := s.await(workspace.Passing, "victim")
	if second.Address == first.Address || !dialable(second.Address) {
		t.Errorf("passing again at %s, after %s: that is the registration of the dead process", second.Address, first.Address)
	}
	if err := s.end(); err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
}

func TestRunFlushesTheLastWordsOfACrash(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.run(program("bad", "crash"))
	s.await(workspace.Crashed, "bad")
	if !strings.Contains(s.logs(), "│ cannot go on\n") {
		t.Errorf("logs lack the line without an end:\n%s", s.logs())
	}
}

func TestRunKillsWhatDoesNotEnd(t *testing.T) {
	t.Parallel()
	for name, hurry := range map[string]bool{"after the grace": false, "at once when hurried": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			if !hurry {
				s.config.Grace = 20 * time.Millisecond
			}
			s.run(program("stubborn", "stubborn"), program("good"))
			s.await(workspace.Passing, "good")
			pids := s.pids(3) // its child's among them
			s.stop()
			if hurry {
				s.await(workspace.Stopping, "")
				s.await(workspace.Stopped, "good")
				close(s.kill)
			}
			err := s.wait()
			killed, ok := errors.AsType[*workspace.KilledError](err)
			if !ok || !slices.Contains(killed.Labels, "stubborn") {
				t.Errorf("Run = %v, want that stubborn was killed", err)
			}
			s.allGone(pids)
		})
	}
}

func TestRunWaitsForOneshots(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	migrate, web := program("migrate", "oneshot"), program("web")
	migrate.Oneshot, web.After = true, []string{"migrate"}
	s.run(migrate, web)
	s.await(workspace.Finished, "migrate")
	if len(s.seen) != 1 {
		t.Errorf("there were other events before: %+v", s.seen)
	}
	s.await(workspace.Passing, "web")
	s.await(workspace.Ready, "")
	if err := s.end(); err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
}

func TestRunTellsWhatIsNotPassing(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.config.Patience = 500 * time.Millisecond
	s.run(program("silent", "silent"), program("sick", "sick"), program("good"))
	told := map[string]string{}
	for told["silent"] == "" || !strings.Contains(told["sick"], "database") {
		e := s.await(workspace.Slow, "")
		told[e.Label] = cmp.Or(e.Status, "unregistered") + " " + e.Output
	}
	if told["silent"] != "unregistered " || told["sick"] != "critical the database is away" {
		t.Errorf("slow are %q", told)
	}
}

func TestRunOfAProgramThatRegistersNothing(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	worker, web := program("worker", "silent"), program("web")
	worker.Registry, web.After = "", []string{"worker"}
	s.run(worker, web)
	s.await(workspace.Started, "worker")
	s.await(workspace.Passing, "web")
	s.await(workspace.Ready, "")
}

func TestRunTellsThatTheRegistryIsAway(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	own := startAgent(t, "127.0.0.1:0")
	s.useAgent(own.addr)
	s.run(program("web"))
	s.await(workspace.Passing, "web")
	own.stop()
	if e := s.await(workspace.RegistryAway, ""); e.Err == nil || !strings.Contains(e.Err.Error(), own.addr) {
		t.Errorf("away with %v, want the address %s named", e.Err, own.addr)
	}
	startAgent(t, own.addr)
	if e := s.await(workspace.RegistryBack, ""); e.Took <= 0 {
		t.Errorf("back after %v", e.Took)
	}
	if err := s.end(); err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
}

func TestRunRefusesIDsThatRunElsewhere(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	s := newStage(t)
	s.register("web-1", listener.Addr().(*net.TCPAddr).Port)
	s.run(program("web"))
	taken, ok := errors.AsType[*workspace.TakenError](s.wait())
	if !ok || taken.ID != "web-1" || taken.Address != listener.Addr().String() {
		t.Errorf("Run = %v, want a *TakenError about web-1 at %s", taken, listener.Addr())
	}
}

func TestRunRemovesWhatAKilledProcessHasLeft(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead := listener.Addr().(*net.TCPAddr).Port
	_ = listener.Close()
	s := newStage(t)
	s.register("web-1", dead)
	s.run(program("web"))
	if e := s.await(workspace.Passing, "web"); strings.HasSuffix(e.Address, fmt.Sprint(":", dead)) {
		t.Errorf("passing at %s, which is what the dead process has left", e.Address)
	}
}

func TestRunTellsThatAProgramCannotBeStarted(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	p := program("gone")
	p.Dir = filepath.Join(standin.root, "nowhere")
	s.run(p)
	if e := s.await(workspace.Unstarted, "gone"); !errors.Is(e.Err, os.ErrNotExist) && !strings.Contains(fmt.Sprint(e.Err), "no such file") {
		t.Errorf("unstarted with %v, want that its folder is missing", e.Err)
	}
}
