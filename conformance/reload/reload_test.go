//go:build linux

package reload_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pandakit/panda"
	"github.com/pandakit/panda/conformance/drill"
	"github.com/pandakit/panda/conformance/drill/drillpb"
	"github.com/pandakit/panda/discovery/consul"
	"github.com/pandakit/panda/internal/cli"
	"github.com/pandakit/panda/internal/cli/command"
)

const (
	saves     = 100
	warm      = 10 // of these saves, after which nothing may grow
	instances = 2
	callers   = 4 // that read, and as many that write
	patience  = 60 * time.Second
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// up is "panda up" in this process, so that its goroutines can be counted.
type up struct {
	t       *testing.T
	root    string // of the workspace
	address string // of the agent
	output  output
	stop    context.CancelFunc
	ended   chan int
}

type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// layWorkspace makes a module with the drill's service in it, in a folder with a space and letters that are not ASCII.
func layWorkspace(t *testing.T) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "工作 space")
	panda, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	moved := strings.NewReplacer("github.com/pandakit/panda/conformance/drill/", "example.com/shop/")
	copies := map[string]string{
		"../go.mod": "go.mod", "../go.sum": "go.sum", "../drill/service/main.go": "drill/main.go",
		"../drill/drillpb/drill.pb.go": "drillpb/drill.pb.go", "../drill/drillpb/drill_grpc.pb.go": "drillpb/drill_grpc.pb.go",
	}
	for from, to := range copies {
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if to == "drill/main.go" { // in the generated code the paths are part of a descriptor
			text = []byte(moved.Replace(string(text)))
		}
		write(t, filepath.Join(root, to), string(text))
	}
	module := strings.NewReplacer(
		"module github.com/pandakit/panda/conformance", "module example.com/shop",
		"=> ..", "=> "+strconv.Quote(panda))
	text, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(root, "go.mod"), module.Replace(string(text)))
	write(t, filepath.Join(root, "panda.yaml"), fmt.Sprintf("services: {drill: {replicas: %d}}\n", instances))
	write(t, filepath.Join(root, "drill", "version.go"), version(0))
	return root
}

// version is a file that makes the service another program.
func version(n int) string {
	return fmt.Sprintf("package main\n\nimport \"log\"\n\nfunc init() { log.Print(\"version %d\") }\n", n)
}

// write writes a file as careful editors do.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+"~", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+"~", path); err != nil {
		t.Fatal(err)
	}
}

func start(t *testing.T) *up {
	t.Helper()
	temp, runtimeDir := t.TempDir(), t.TempDir()
	t.Setenv("TMPDIR", temp)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u := &up{t: t, root: layWorkspace(t), address: free.Addr().String(), ended: make(chan int, 1)}
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(u.address)
	if err != nil {
		t.Fatal(err)
	}
	var ctx context.Context
	ctx, u.stop = context.WithCancel(context.Background())
	env := &command.Env{
		Args: []string{"up", "--agent-port", port}, Stdin: strings.NewReader(""), Stdout: &u.output, Stderr: &u.output, Dir: u.root,
		Environ: os.Environ,
		Getenv:  func(name string) string { return map[string]string{"XDG_RUNTIME_DIR": runtimeDir}[name] },
	}
	go func() { u.ended <- cli.Main(ctx, env) }()
	t.Cleanup(func() {
		u.end()
		for _, folder := range []string{temp, runtimeDir} {
			if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
				t.Errorf("left behind are %v, %v", left, err)
			}
		}
		if t.Failed() {
			t.Logf("output:\n%s", u.output.String())
		}
	})
	u.until("ready", func() bool { return strings.Contains(u.output.String(), "Ready:") })
	return u
}

// end stops all and wants no process to be left.
func (u *up) end() {
	u.t.Helper()
	if u.stop == nil {
		return
	}
	u.stop()
	u.stop = nil
	if code := <-u.ended; code != 0 {
		u.t.Errorf("panda up ends with exit code %d", code)
	}
	if left := children(u.t); len(left) > 0 {
		u.t.Errorf("processes left behind: %v", left)
	}
}

// until polls a condition that tells no one of its changes.
func (u *up) until(what string, condition func() bool) {
	u.t.Helper()
	deadline, tick := time.NewTimer(patience), time.NewTicker(5*time.Millisecond)
	defer deadline.Stop()
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline.C:
			u.t.Fatalf("%s: not reached within %v", what, patience)
		}
	}
}

// children returns the process IDs of this process's children.
func children(t *testing.T) []int {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	var found []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile(filepath.Join("/proc", entry.Name(), "stat"))
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		if fields := strings.Fields(rest); len(fields) > 1 && fields[1] == strconv.Itoa(os.Getpid()) {
			found = append(found, pid)
		}
	}
	return found
}

// usage is what may not grow.
type usage struct{ goroutines, files, heap int }

func use(t *testing.T) usage {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	return usage{runtime.NumGoroutine(), len(files), int(memory.HeapAlloc)}
}

// within reports whether nothing has grown by more than what differs from moment to moment.
func (u usage) within(before usage) bool {
	return u.goroutines <= before.goroutines+10 && u.files <= before.files+5 && u.heap <= before.heap+8<<20
}

func TestHundredSavesUnderLoad(t *testing.T) {
	u := start(t)
	registry, err := consul.New(consul.Config{Addresses: []string{u.address}})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := panda.Dial("drill", panda.WithRegistry(registry))
	if err != nil {
		t.Fatal(err)
	}
	load := drill.StartLoad(drillpb.NewDrillClient(conn), callers)
	stop := sync.OnceValues(load.Stop)
	defer func() {
		stop()
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}()
	u.until("all answer", func() bool { return len(load.Answers()) == instances })
	var took []time.Duration
	var before, after usage
	for n := range saves {
		took = append(took, u.save(load, n+1))
		if n == warm-1 {
			u.until("rest", func() bool { return len(children(t)) == instances })
			before = use(t)
		}
	}
	u.until("nothing has grown", func() bool {
		after = use(t)
		return len(children(t)) == instances && after.within(before) || t.Failed()
	})
	reads, writes := stop()
	slices.Sort(took)
	t.Logf("%d saves, each live after %v at the median and %v at the most", saves, took[len(took)/2], took[len(took)-1])
	t.Logf("goroutines, files, bytes of heap: %v after %d saves, %v after %d", before, warm, after, saves)
	noneFailed(t, "reads", reads)
	noneFailed(t, "writes", writes)
	u.end()
	if text := u.output.String(); strings.Count(text, "replaced after") != saves*instances {
		t.Errorf("%d instances were replaced, want %d", strings.Count(text, "replaced after"), saves*instances)
	}
}

// save saves the file and returns how long it took until a new instance answers; it comes back when all do.
func (u *up) save(load *drill.Load, n int) time.Duration {
	u.t.Helper()
	before := load.Answers()
	began := time.Now()
	write(u.t, filepath.Join(u.root, "drill", "version.go"), version(n))
	fresh := func() int {
		count := 0
		for pid := range load.Answers() {
			if _, known := before[pid]; !known {
				count++
			}
		}
		return count
	}
	u.until(fmt.Sprintf("save %d is live", n), func() bool { return fresh() > 0 })
	took := time.Since(began)
	u.until(fmt.Sprintf("save %d is live everywhere", n), func() bool { return fresh() >= instances })
	return took
}

func noneFailed(t *testing.T, kind string, c drill.Count) {
	t.Helper()
	t.Logf("%s: %d calls, %d failed", kind, c.Calls, len(c.Failed))
	if c.Calls < saves {
		t.Errorf("%s: only %d calls were made", kind, c.Calls)
	}
	for _, f := range c.Failed[:min(len(c.Failed), 5)] {
		t.Errorf("%s of caller %d, started %s, failed after %v: %v", kind, f.Caller, f.Started.Format(time.StampMilli), f.Elapsed, f.Err)
	}
}
