//go:build unix

package workspace_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	"go.uber.org/goleak"

	"github.com/pandakit/panda/discovery/consul"
	"github.com/pandakit/panda/internal/agent"
	"github.com/pandakit/panda/internal/process"
	"github.com/pandakit/panda/internal/workspace"
	"github.com/pandakit/panda/internal/workspace/health"
	"github.com/pandakit/panda/internal/workspace/logs"
	"github.com/pandakit/panda/internal/workspace/supervise"
)

// long is how long a test waits for what has to come.
const long = 30 * time.Second

// standin is the program of testdata/standin.txtar, built once for all tests.
var standin struct{ root, binary string }

func TestMain(m *testing.M) {
	if err := buildStandin(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(standin.root)
		os.Exit(code)
	}))
}

func buildStandin() error {
	root, err := os.MkdirTemp("", "standin-")
	if err != nil {
		return err
	}
	if root, err = filepath.EvalSymlinks(root); err != nil {
		return err
	}
	if err := unpack(root); err != nil {
		return err
	}
	standin.root, standin.binary = root, filepath.Join(root, "bin", "svc")
	command := exec.Command("go", "build", "-o", standin.binary, "./svc") //nolint:noctx // before all tests
	command.Dir = root
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("build the program of the tests: %w\n%s", err, out)
	}
	return nil
}

func unpack(root string) error {
	archive, err := txtar.ParseFile(filepath.Join("testdata", "standin.txtar"))
	if err != nil {
		return err
	}
	for _, file := range archive.Files {
		path := filepath.Join(root, filepath.FromSlash(file.Name))
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			return err
		}
		if err := os.WriteFile(path, file.Data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// stage is a workspace that runs in a test, with an agent of its own.
type stage struct {
	t        *testing.T
	registry *health.Registry
	address  string // of the agent
	config   workspace.Config
	runner   *workspace.Runner
	stop     context.CancelFunc
	kill     chan struct{}
	result   chan error
	events   chan workspace.Event

	mu   sync.Mutex
	log  strings.Builder
	seen []workspace.Event
}

// program is a service of the stand-in that behaves as its arguments say.
func program(name string, args ...string) *workspace.Service {
	return &workspace.Service{Name: name, Dir: filepath.Join(standin.root, "svc"), Registry: "svc", Replicas: 1, Args: args}
}

// newStage has an agent and has started nothing yet.
func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{t: t, kill: make(chan struct{}), result: make(chan error, 1), events: make(chan workspace.Event, 1000)}
	s.address = startAgent(t, "127.0.0.1:0").addr
	var err error
	if s.registry, err = health.New(consul.Config{Addresses: []string{s.address}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.registry.Close)
	starter := process.NewStarter()
	t.Cleanup(starter.Close)
	merged := logs.New(s, nil, false)
	s.config = workspace.Config{
		Starter: starter, Registry: s.registry, Binaries: workspace.Binaries{},
		Environ: append(os.Environ(), "CONSUL_HTTP_ADDR="+s.address),
		Grace:   long, Patience: long,
		Output:  func(label string) supervise.Output { return merged.Stream(label) },
		Observe: func(e workspace.Event) { s.events <- e },
	}
	return s
}

// run runs the services; the test's end stops what it has not stopped itself.
func (s *stage) run(services ...*workspace.Service) {
	s.t.Helper()
	for _, service := range services {
		s.config.Binaries[service.Name] = standin.binary
	}
	s.begin(&workspace.Workspace{Services: services})
}

// begin runs a workspace.
func (s *stage) begin(w *workspace.Workspace) {
	s.t.Helper()
	s.runner = workspace.NewRunner(w, s.config)
	var ctx context.Context
	ctx, s.stop = context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.result <- s.runner.Run(ctx, s.kill)
	}()
	s.t.Cleanup(func() {
		s.stop()
		<-ended
	})
}

// Write takes the merged logs.
func (s *stage) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.Write(p)
}

func (s *stage) logs() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

// await returns the next event of a kind, about a label if one is given; those before it are kept in seen.
func (s *stage) await(kind workspace.Kind, label string) workspace.Event {
	s.t.Helper()
	timeout := time.NewTimer(long)
	defer timeout.Stop()
	for {
		select {
		case e := <-s.events:
			s.seen = append(s.seen, e)
			if e.Kind == kind && (label == "" || e.Label == label) {
				return e
			}
		case <-timeout.C:
			s.t.Fatalf("event %d about %q did not come; there were %+v\nlogs:\n%s", kind, label, s.seen, s.logs())
		}
	}
}

// end stops the services and returns what Run does.
func (s *stage) end() error {
	s.t.Helper()
	s.stop()
	return s.wait()
}

func (s *stage) wait() error {
	s.t.Helper()
	select {
	case err := <-s.result:
		for len(s.events) > 0 {
			s.seen = append(s.seen, <-s.events)
		}
		return err
	case <-time.After(long):
		s.t.Fatalf("Run does not return; logs:\n%s", s.logs())
		return nil
	}
}

// pids returns the process IDs that the programs have told, once there are as many as wanted.
func (s *stage) pids(want int) []int {
	s.t.Helper()
	var pids []int
	s.until(func() bool {
		pids = nil
		for line := range strings.Lines(s.logs()) {
			if _, text, found := strings.Cut(line, "│ pid "); found {
				pid, err := strconv.Atoi(strings.TrimSpace(text))
				if err != nil {
					s.t.Fatal(err)
				}
				pids = append(pids, pid)
			}
		}
		return len(pids) >= want
	})
	return pids
}

// until polls a condition that tells no one of its changes.
func (s *stage) until(condition func() bool) {
	s.t.Helper()
	deadline, tick := time.NewTimer(long), time.NewTicker(5*time.Millisecond)
	defer deadline.Stop()
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline.C:
			s.t.Fatalf("it did not come true; logs:\n%s", s.logs())
		}
	}
}

// allGone fails the test if one of the processes lives; one that nobody has reaped yet does not.
func (s *stage) allGone(pids []int) {
	s.t.Helper()
	for _, pid := range pids {
		s.until(func() bool { return !alive(pid) })
	}
}

func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	if runtime.GOOS != "linux" {
		return true
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(stat), ") ")
	return err == nil && !strings.HasPrefix(rest, "Z")
}

// runningAgent is an agent that a test may stop.
type runningAgent struct {
	addr string
	stop func()
}

func startAgent(t *testing.T, address string) *runningAgent {
	t.Helper()
	a, err := agent.New(agent.Config{HTTPAddr: address, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return &runningAgent{a.Addr().String(), stop}
}

func dialable(address string) bool {
	conn, err := net.DialTimeout("tcp", address, time.Second) //nolint:noctx // bounded
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

// useAgent makes the services use another agent than the stage's own.
func (s *stage) useAgent(address string) {
	s.t.Helper()
	registry, err := health.New(consul.Config{Addresses: []string{address}})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(registry.Close)
	s.config.Registry = registry
	s.config.Environ = append(s.config.Environ, "CONSUL_HTTP_ADDR="+address)
}

// register puts an instance into the agent that no process of this test runs.
func (s *stage) register(id string, port int) {
	s.t.Helper()
	body := fmt.Sprintf(`{"ID":%q,"Name":"svc","Address":"127.0.0.1","Port":%d}`, id, port)
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodPut,
		"http://"+s.address+"/v1/agent/service/register", strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		s.t.Fatalf("register: %s", response.Status)
	}
}
