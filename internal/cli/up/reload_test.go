//go:build unix

package up_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	library "github.com/pandakit/panda"
	"github.com/pandakit/panda/discovery/consul"
)

// saves is how often a file is saved under load; conformance/reload does it more often.
const saves = 3

// lay writes files below a folder.
func lay(t *testing.T, root string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// realService is a workspace whose service is made with this repository's package panda.
func realService(t *testing.T) string {
	t.Helper()
	repository, err := filepath.Abs(filepath.Join("..", "..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(repository, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	root := t.TempDir()
	lay(t, root, map[string]string{
		"go.mod": strings.Replace(read("go.mod"), "module github.com/pandakit/panda", "module example.com/shop", 1) +
			"\nrequire github.com/pandakit/panda v0.0.0\n\nreplace github.com/pandakit/panda => " + strconv.Quote(repository) + "\n",
		"go.sum":      read("go.sum"),
		"panda.yaml":  "services: {web: {replicas: 2}}\n",
		"web/main.go": version(0),
	})
	return root
}

func version(n int) string {
	return fmt.Sprintf(`package main

import (
	"context"
	"fmt"
	"os"

	"github.com/pandakit/panda"
)

func main() {
	fmt.Println("version", %d)
	fmt.Println("pid", os.Getpid())
	if err := panda.NewService("web").Run(context.Background()); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}
`, n)
}

// load calls a service by name, with methods that may not be repeated, until it is stopped.
type load struct {
	calls   atomic.Int64
	mu      sync.Mutex
	failed  []error
	stop    context.CancelFunc
	callers sync.WaitGroup
}

func startLoad(t *testing.T, registry string) *load {
	t.Helper()
	r, err := consul.New(consul.Config{Addresses: []string{registry}})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := library.Dial("web", library.WithRegistry(r))
	if err != nil {
		t.Fatal(err)
	}
	client := healthpb.NewHealthClient(conn)
	ctx, stop := context.WithCancel(context.Background())
	l := &load{stop: stop}
	for range 4 {
		l.callers.Go(func() {
			for ctx.Err() == nil {
				calling, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
				_, err := client.Check(calling, &healthpb.HealthCheckRequest{})
				cancel()
				l.calls.Add(1)
				if err != nil {
					l.mu.Lock()
					l.failed = append(l.failed, err)
					l.mu.Unlock()
				}
			}
		})
	}
	t.Cleanup(func() {
		l.end()
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func (l *load) end() {
	l.stop()
	l.callers.Wait()
}

func TestUpReloadsUnderLoad(t *testing.T) {
	t.Parallel()
	root := realService(t)
	p := start(t, root, nil, "--agent-port", "0")
	p.says("Ctrl-C")
	_, registry, _ := strings.Cut(p.stdout.String(), "export CONSUL_HTTP_ADDR=")
	registry, _, _ = strings.Cut(registry, "\n")
	l := startLoad(t, registry)
	for n := range saves {
		before := l.calls.Load()
		p.until("calls", func() bool { return l.calls.Load() > before+100 })
		lay(t, root, map[string]string{"web/main.go": version(n + 1)})
		p.until("two new instances", func() bool {
			return strings.Count(p.stdout.String(), fmt.Sprintf("│ version %d\n", n+1)) == 2 &&
				strings.Count(p.stdout.String(), "replaced after") == 2*(n+1)
		})
	}
	pids := p.pids(2 * (saves + 1))
	p.allGone(pids[:2*saves])
	l.end()
	t.Logf("%d calls, %d failed", l.calls.Load(), len(l.failed))
	for _, err := range l.failed[:min(len(l.failed), 5)] {
		t.Errorf("a call failed: %v", err)
	}
	p.interrupt()
	p.exits(0)
	p.allGone(pids)
}

func TestUpLeavesServicesAloneWithNoReload(t *testing.T) {
	t.Parallel()
	root := standin(t, "")
	p := start(t, root, nil, "--agent-port", "0", "--no-reload")
	p.says("Ctrl-C")
	main := filepath.Join(root, "svc", "main.go")
	text, err := os.ReadFile(main)
	if err != nil {
		t.Fatal(err)
	}
	lay(t, root, map[string]string{"svc/main.go": strings.Replace(string(text), `"pid"`, `"pid", "of another",`, 1), "panda.yaml": "services: {}\n"})
	p.interrupt()
	p.exits(0)
	if got := p.stdout.String(); strings.Contains(got, "changed") {
		t.Errorf("it looks at files all the same:\n%s", got)
	}
}

// fakeDebugger stands in for dlv: it runs what it is given.
const fakeDebugger = `#!/bin/sh
echo "dlv $1 $2 ${3%%:*} $4 $5 $6"
shift 6
program=$1
shift 2
exec "$program" "$@"
`

func TestUpDebugs(t *testing.T) {
	t.Parallel()
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "dlv"), []byte(fakeDebugger), 0o700); err != nil {
		t.Fatal(err)
	}
	root := standin(t, "")
	p := start(t, root, []string{"PATH=" + bin + string(os.PathListSeparator) + os.Getenv("PATH")}, "--agent-port", "0", "--debug", "svc")
	p.says("▸ svc runs under dlv; debug it with: dlv connect 127.0.0.1:")
	p.says("svc │ dlv exec --headless --listen=127.0.0.1 --api-version=2 --accept-multiclient --continue\n")
	p.says("Ctrl-C")
	pids := p.pids(1)
	lay(t, root, map[string]string{"svc/more.go": "package main\n"})
	p.says("svc/more.go changed, and svc was not replaced: it is being debugged: panda restart svc when you are done\n")
	p.interrupt()
	p.exits(0)
	p.allGone(pids)
}

func TestUpRefusesToDebug(t *testing.T) {
	t.Parallel()
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "dlv"), []byte(fakeDebugger), 0o700); err != nil {
		t.Fatal(err)
	}
	goCommand, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	bare := t.TempDir()
	if err := os.Symlink(goCommand, filepath.Join(bare, "go")); err != nil {
		t.Fatal(err)
	}
	with := "PATH=" + bin + string(os.PathListSeparator) + os.Getenv("PATH")
	for name, test := range map[string]struct {
		more string
		env  []string
		args []string
		code int
		want string
	}{
		"no dlv":             {"", []string{"PATH=" + bare}, []string{"--debug", "svc"}, 1, "panda: debug svc: dlv is not on PATH\nget it with: go install github.com/go-delve/delve/cmd/dlv@latest\n"},
		"an unknown service": {"", []string{with}, []string{"--debug", "scv"}, 2, `panda: --debug "scv": no service is called "scv"; near: svc`},
		"several":            {"-- panda.yaml --\nservices: {svc: {replicas: 2}}\n", []string{with}, []string{"--debug", "svc"}, 2, "only one instance can be debugged; add --replicas svc=1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t, standin(t, test.more), test.env, test.args...)
			p.exits(test.code)
			if !strings.Contains(p.stderr.String(), test.want) {
				t.Errorf("stderr is\n%s\nwant it to hold %q", p.stderr.String(), test.want)
			}
		})
	}
}
