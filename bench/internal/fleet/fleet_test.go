package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pandakit/panda/bench/internal/child"
	"github.com/pandakit/panda/bench/internal/fleet"
)

// roleVariable makes the test binary act as a measured process.
const roleVariable = "BENCH_TEST_ROLE"

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		os.Exit(act(role))
	}
	goleak.VerifyTestMain(m)
}

func act(role string) int {
	switch role {
	case "server":
		return child.Serve(os.Stdin, os.Stdout, os.Stderr, func(ctx context.Context) error {
			<-ctx.Done()
			return nil
		})
	case "client":
		return child.Drive(os.Stdin, os.Stdout, os.Stderr, dialEcho)
	case "talkative":
		fmt.Println("a log line of its own\n{\"level\":\"info\"}")
		return child.Drive(os.Stdin, os.Stdout, os.Stderr, dialEcho)
	case "stubborn": // does not mind that its input ends
		fmt.Println(child.Prefix + `{"Ready":true}`)
		interrupted := make(chan os.Signal, 1)
		signal.Notify(interrupted, os.Interrupt)
		<-interrupted
		return 0
	case "babbling":
		fmt.Println(child.Prefix + "not json")
		_, _ = io.Copy(io.Discard, os.Stdin)
		return 0
	default:
		fmt.Fprintln(os.Stderr, "no such role:", role)
		return 7
	}
}

func dialEcho() ([]child.Call, func() error, error) {
	echo := func(_ context.Context, name string) (string, error) { return name, nil }
	return []child.Call{echo}, func() error { return nil }, nil
}

func start(t *testing.T, f *fleet.Fleet, role string) *fleet.Process {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	process, err := f.Start(t.Context(), fleet.Command{Name: role, Path: path, Env: []string{roleVariable + "=" + role}})
	if err != nil {
		t.Fatal(err)
	}
	return process
}

func newFleet(t *testing.T) *fleet.Fleet {
	t.Helper()
	f := fleet.New(os.Environ())
	t.Cleanup(f.Close)
	return f
}

func ended(process *fleet.Process) bool {
	select {
	case <-process.Ended():
		return true
	default:
		return false
	}
}

func TestAsk(t *testing.T) {
	for _, role := range []string{"client", "talkative"} {
		t.Run(role, func(t *testing.T) {
			process := start(t, newFleet(t), role)
			if err := process.Ready(t.Context()); err != nil {
				t.Fatal(err)
			}
			load := child.Load{Callers: 2, For: time.Minute, MaxCalls: 20}
			reply, err := process.Ask(t.Context(), child.Request{Op: child.OpLoad, Load: load})
			if err != nil || reply.Done.Calls != 20 {
				t.Errorf("load: %+v, %v; want 20 calls", reply.Done, err)
			}
			reply, err = process.Ask(t.Context(), child.Request{Op: child.OpUsage})
			if err != nil || reply.Usage.Mallocs == 0 {
				t.Errorf("usage: %+v, %v; want some allocations", reply.Usage, err)
			}
		})
	}
}

func TestAskReportsTheProcessesError(t *testing.T) {
	process := start(t, newFleet(t), "server")
	_, err := process.Ask(t.Context(), child.Request{Op: child.OpLoad})
	if err == nil || !strings.Contains(err.Error(), `server: operation "load"`) {
		t.Errorf("error %v, want one that names the process and the operation", err)
	}
}

func TestReadyTellsWhyAProcessEnded(t *testing.T) {
	process := start(t, newFleet(t), "juggler")
	err := process.Ready(t.Context())
	if err == nil || !strings.Contains(err.Error(), "exit status 7") || !strings.Contains(err.Error(), "no such role: juggler") {
		t.Errorf("error %v, want the exit status and the log", err)
	}
}

func TestReadyRefusesNonsense(t *testing.T) {
	process := start(t, newFleet(t), "babbling")
	if err := process.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), `"not json"`) {
		t.Errorf("error %v, want one that shows the line", err)
	}
}

func TestReadyEndsWithItsContext(t *testing.T) {
	process := start(t, newFleet(t), "server") // a server is never ready by itself
	interrupted := errors.New("interrupted")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(interrupted)
	if err := process.Ready(ctx); !errors.Is(err, interrupted) {
		t.Errorf("error %v, want %v", err, interrupted)
	}
}

func TestCloseLeavesNoProcess(t *testing.T) {
	f := fleet.New(os.Environ())
	processes := []*fleet.Process{start(t, f, "server"), start(t, f, "client"), start(t, f, "stubborn")}
	if err := processes[2].Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.Close()
	for i, process := range processes {
		if !ended(process) {
			t.Errorf("process %d still runs", i)
		}
	}
	if text := processes[2].Err().Error(); !strings.Contains(text, "killed") {
		t.Errorf("the stubborn process: %s, want it killed", text)
	}
	f.Close() // of nothing
}

func TestAProcessEndsWithItsContext(t *testing.T) {
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	process, err := newFleet(t).Start(ctx, fleet.Command{Name: "stubborn", Path: path, Env: []string{roleVariable + "=stubborn"}})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	<-process.Ended()
}

func TestKill(t *testing.T) {
	process := start(t, newFleet(t), "stubborn")
	process.Kill()
	if !ended(process) {
		t.Error("the process still runs")
	}
	process.Kill() // of the dead
	process.Stop()
}

func TestStartOfNothing(t *testing.T) {
	_, err := newFleet(t).Start(t.Context(), fleet.Command{Name: "ghost", Path: "/no/such/program"})
	if err == nil || !strings.Contains(err.Error(), "start ghost") {
		t.Errorf("error %v, want one that names the process", err)
	}
}

func TestBuildNamesWhatDoesNotCompile(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/go.mod", "module broken\n\ngo 1.26\n")
	write(t, dir+"/main.go", "package main\n\nfunc main() { nosuch() }\n")
	_, err := fleet.Build(t.Context(), dir, ".", t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "undefined: nosuch") {
		t.Errorf("error %v, want the compiler's", err)
	}
}

func TestBuild(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/go.mod", "module fine\n\ngo 1.26\n")
	write(t, dir+"/tools/one/main.go", "package main\n\nfunc main() {}\n")
	binary, err := fleet.Build(t.Context(), dir, "tools/one", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(binary.Path)
	if err != nil || info.Size() != binary.Size || binary.Size == 0 {
		t.Errorf("binary %+v: stat says %v, %v", binary, info, err)
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(file[:strings.LastIndex(file, "/")], 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFreeAddress(t *testing.T) {
	address, err := fleet.FreeAddress(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatalf("address %s is not free: %v", address, err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
}
