package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/discovery/consul"
	"github.com/pandakit/panda/internal/agent"
	"github.com/pandakit/panda/internal/rpccall/rpccalltest"
)

var update = flag.Bool("update", false, "write what the commands print into the scripts that compare it")

// patience bounds each wait of a script; it is never reached by one that works.
const patience = 30 * time.Second

func TestMain(m *testing.M) {
	testscript.Main(checked{m}, map[string]func(){"panda": main, "consul": main})
}

// checked runs the tests and then looks for goroutines that they left behind.
type checked struct{ tests *testing.M }

func (c checked) Run() int {
	code := c.tests.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("CONSUL_HTTP_ADDR", "127.0.0.1:1") // nobody; a script that needs a registry starts it
			env.Setenv("XDG_RUNTIME_DIR", filepath.Join(env.WorkDir, "run"))
			env.Values[runningKey{}] = new(slot)
			program, err := exec.LookPath("panda")
			env.Setenv("BINARIES", filepath.Dir(program))
			source, sourceErr := filepath.Abs(filepath.Join("..", ".."))
			env.Setenv("SOURCE", source)
			return errors.Join(err, sourceErr, tellGoFolders(env))
		},
		Condition: func(name string) (bool, error) {
			if name == "root" {
				return os.Geteuid() == 0, nil
			}
			return false, fmt.Errorf("unknown condition %q", name)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":     exits,
			"interrupt": interrupt,
			"agent":     startAgent,
			"serve":     serve,
			"leftover":  leftover,
			"listen":    listen,
			"empties":   empties,
			"watch":     watch,
			"process":   startProcess,
			"ended":     ended,
			"up":        startUp,
		},
	})
}

// exits runs a command that must end with an exit code: exits CODE PROGRAM ARGS...
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// interrupt runs a command, interrupts it as Ctrl-C does when it has printed a line, and wants it to end
// with an exit code: interrupt CODE PROGRAM ARGS...
func interrupt(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: interrupt CODE PROGRAM ARGS...")
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, lookPath(ts, args[1]), args[2:]...)
	cmd.Env = environment(ts)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	lines := bufio.NewReader(stdout)
	if _, err := lines.ReadString('\n'); err != nil {
		ts.Fatalf("it printed nothing: %v\n%s", err, stderr.String())
	}
	ts.Check(cmd.Process.Signal(os.Interrupt))
	_, _ = io.Copy(io.Discard, lines) // until it ends
	_ = cmd.Wait()                    // the exit code is judged below
	if code := cmd.ProcessState.ExitCode(); strconv.Itoa(code) != args[0] || !strings.Contains(stderr.String(), "interrupted") {
		ts.Fatalf("exit code %d, want %s\n%s", code, args[0], stderr.String())
	}
}

// startAgent starts the embedded agent on a free port and points CONSUL_HTTP_ADDR at it.
func startAgent(ts *testscript.TestScript, _ bool, _ []string) {
	running, err := agent.New(agent.Config{HTTPAddr: "127.0.0.1:0", Node: "laptop"})
	ts.Check(err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- running.Run(ctx) }()
	ts.Defer(func() {
		cancel()
		ts.Check(<-done)
	})
	ts.Setenv("CONSUL_HTTP_ADDR", running.Addr().String())
}

// serve starts a test server and announces it as an instance of a service until the script ends, and
// puts host:port into the variable ADDR: serve [-noreflection] [-critical=OUTPUT] [-gone] SERVICE. With
// -gone the instance is announced, passing, and its port is closed.
func serve(ts *testscript.TestScript, _ bool, args []string) {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	noReflection := flags.Bool("noreflection", false, "")
	critical := flags.String("critical", "", "")
	gone := flags.Bool("gone", false, "")
	ts.Check(flags.Parse(args))
	address, stop, err := rpccalltest.Serve(!*noReflection)
	ts.Check(err)
	if *gone {
		stop()
	} else {
		ts.Defer(stop)
	}
	ts.Setenv("ADDR", address)
	announce(ts, flags.Arg(0), address, *critical)
}

// leftover registers an instance that nobody keeps alive, as a process that was killed leaves it behind: critical, at an
// address where nobody answers, or with -answers at one where somebody does: leftover [-answers] SERVICE ID.
func leftover(ts *testscript.TestScript, _ bool, args []string) {
	flags := flag.NewFlagSet("leftover", flag.ContinueOnError)
	answers := flags.Bool("answers", false, "")
	ts.Check(flags.Parse(args))
	address, stop, err := rpccalltest.Serve(false)
	ts.Check(err)
	if *answers {
		ts.Defer(stop)
	} else {
		stop()
	}
	host, port, err := net.SplitHostPort(address)
	ts.Check(err)
	body := fmt.Sprintf(`{"Name": %q, "ID": %q, "Address": %q, "Port": %s, "Check": {"TTL": "1h", "Status": "critical"}}`, flags.Arg(0), flags.Arg(1), host, port)
	request, err := http.NewRequest(http.MethodPut, "http://"+ts.Getenv("CONSUL_HTTP_ADDR")+"/v1/agent/service/register", strings.NewReader(body)) //nolint:noctx // the agent is in this process
	ts.Check(err)
	response, err := http.DefaultClient.Do(request)
	ts.Check(err)
	ts.Check(response.Body.Close())
	if response.StatusCode != http.StatusOK {
		ts.Fatalf("register %s: %s", flags.Arg(1), response.Status)
	}
}

func announce(ts *testscript.TestScript, service, address, critical string) {
	registry, err := consul.New(consul.Config{Addresses: []string{ts.Getenv("CONSUL_HTTP_ADDR")}, Logger: slog.New(slog.DiscardHandler)})
	ts.Check(err)
	host, port, err := net.SplitHostPort(address)
	ts.Check(err)
	number, err := strconv.Atoi(port)
	ts.Check(err)
	want := discovery.Passing
	if critical != "" {
		want = discovery.Critical
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- registry.Announce(ctx, discovery.Announcement{
			Instance: discovery.Instance{
				ID: service + "-1", Service: service, Address: host, Port: number,
				Tags: []string{"grpc"}, Meta: map[string]string{"version": "v1.2.3"}, Weight: 1,
			},
			Health: func() (discovery.Status, string) { return want, critical },
		})
	}()
	ts.Defer(func() {
		cancel()
		ts.Check(<-done)
	})
	awaitStatus(ts, registry, service, want)
}

func awaitStatus(ts *testscript.TestScript, registry discovery.Registry, service string, want discovery.Status) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	seen := false
	_ = registry.Watch(ctx, service, func(s discovery.Snapshot) {
		for _, in := range s.Instances {
			if in.Status() == want && (want == discovery.Passing || in.Checks[0].Output != "") {
				seen = true
				cancel()
			}
		}
	})
	if !seen {
		ts.Fatalf("%s is not %s after %v", service, want, patience)
	}
}

// listen takes connections and never answers, like a machine that hangs; the variable ADDR is its
// host:port.
func listen(ts *testscript.TestScript, _ bool, _ []string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { _ = listener.Close() })
	ts.Setenv("ADDR", listener.Addr().String())
}
