package clients

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
	"go.uber.org/goleak"

	"github.com/pandakit/panda/conformance/freeport"
	"github.com/pandakit/panda/conformance/realconsul"
)

// patience bounds each wait; it is never reached by what works.
const patience = 60 * time.Second

// ours is panda's command under the name of consul, built once for all tests.
var ours struct { //nolint:gochecknoglobals // a test binary's main has no other place for it
	folder string
	once   sync.Once
	err    error
}

func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "panda-clients-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	ours.folder = folder
	code := m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	_ = os.RemoveAll(folder)
	os.Exit(code)
}

// pandaAsConsul returns the path of panda's command, called consul.
func pandaAsConsul(t testing.TB) string {
	t.Helper()
	name := "consul"
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	path := filepath.Join(ours.folder, name)
	ours.once.Do(func() {
		build := exec.CommandContext(context.Background(), "go", "build", "-o", path, "./cmd/panda")
		build.Dir = filepath.Join("..", "..")
		output, err := build.CombinedOutput()
		if err != nil {
			ours.err = fmt.Errorf("build panda: %w: %s", err, output)
		}
	})
	if ours.err != nil {
		t.Fatal(ours.err)
	}
	return path
}

func realConsul(t testing.TB) string {
	t.Helper()
	path, err := realconsul.Binary(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// each runs a program against an agent of panda's and one of Consul's, each fresh and of its own.
func each(t *testing.T, program func(t *testing.T, a *agent)) {
	t.Helper()
	for _, c := range []struct {
		name   string
		binary func(testing.TB) string
	}{{"panda", pandaAsConsul}, {"consul", realConsul}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			program(t, start(t, c.binary(t)))
		})
	}
}

// agent is a process that was started as "consul agent -dev", panda's or Consul's.
type agent struct {
	binary  string // that it runs
	node    string
	address string // of its HTTP API
	dns     string
	cmd     *exec.Cmd
	ended   chan struct{}
	output  *text
}

// start starts an agent on free ports of 127.0.0.1 and returns once it takes writes.
func start(t testing.TB, binary string, more ...string) *agent {
	t.Helper()
	const attempts = 3 // another process may take a port before the agent does
	for attempt := 1; ; attempt++ {
		a, err := launch(t, binary, more)
		if err == nil {
			return a
		}
		if attempt == attempts {
			t.Fatal(err)
		}
	}
}

func launch(t testing.TB, binary string, more []string) (*agent, error) {
	t.Helper()
	var ports []string
	for _, port := range freeport.Find(t, 5) {
		ports = append(ports, strconv.Itoa(port))
	}
	a := &agent{
		binary: binary, node: "node-" + ports[0], address: "127.0.0.1:" + ports[0], dns: "127.0.0.1:" + ports[1],
		ended: make(chan struct{}), output: new(text),
	}
	arguments := append([]string{
		"agent", "-dev", "-bind=127.0.0.1", "-client=127.0.0.1", "-node=" + a.node, "-log-level=warn", "-http-port=" + ports[0],
		"-dns-port=" + ports[1], "-server-port=" + ports[2], "-serf-lan-port=" + ports[3], "-serf-wan-port=" + ports[4], "-grpc-port=-1",
	}, more...)
	a.cmd = exec.CommandContext(context.Background(), binary, arguments...)
	a.cmd.Stdout, a.cmd.Stderr, a.cmd.Env = a.output, a.output, without(os.Environ(), "CONSUL_")
	if err := a.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(a.ended)
		_ = a.cmd.Wait() // how it ended is in its state
	}()
	t.Cleanup(func() {
		_ = a.cmd.Process.Kill() // it may have ended
		<-a.ended
	})
	return a, a.await(t)
}

// await returns once the agent answers for its own node in the catalog, which only a leader can.
func (a *agent) await(t testing.TB) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		if body, err := a.get(ctx, "/v1/catalog/service/consul?consistent"); err == nil && strings.Contains(body, a.node) {
			return nil
		}
		select {
		case <-a.ended:
			return fmt.Errorf("start %s: it ended: %s", a.binary, a.output)
		case <-ctx.Done():
			return fmt.Errorf("start %s: not ready within %v: %s", a.binary, patience, a.output)
		case <-ticker.C:
		}
	}
}

func (a *agent) get(ctx context.Context, path string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+a.address+path, nil)
	if err != nil {
		return "", err
	}
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %s", response.StatusCode, body)
	}
	return string(body), err
}

// client is Consul's own, in its current version.
func (a *agent) client(t testing.TB) *api.Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	c, err := api.NewClient(&api.Config{Address: a.address, Transport: transport, HttpClient: &http.Client{Transport: transport}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// environ is the process's environment, pointed at the agent.
func (a *agent) environ() []string {
	return append(without(os.Environ(), "CONSUL_"), "CONSUL_HTTP_ADDR="+a.address)
}

func without(environ []string, prefix string) []string {
	var kept []string
	for _, variable := range environ {
		if !strings.HasPrefix(variable, prefix) {
			kept = append(kept, variable)
		}
	}
	return kept
}

// text is what processes write, from several goroutines.
type text struct {
	mu   sync.Mutex
	said bytes.Buffer
}

// Write implements io.Writer.
func (x *text) Write(p []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.said.Write(p)
}

// String returns all of it.
func (x *text) String() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.said.String()
}

// eventually waits until a condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for !holds() {
		select {
		case <-deadline.C:
			t.Fatalf("%s: not within %v", what, patience)
		case <-ticker.C:
		}
	}
}

// must returns value, or ends the test with the error.
func must[T any](t testing.TB) func(value T, err error) T {
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}
