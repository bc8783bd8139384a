//go:build linux

package drill

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pandakit/panda/internal/cli"
	"github.com/pandakit/panda/internal/cli/command"
)

// patience bounds what a test waits for.
const patience = 60 * time.Second

// Up is "panda up" in this process, so that its goroutines can be counted, with the service of the drills as its only one.
type Up struct {
	Root    string // of the workspace
	Address string // of the agent

	t          *testing.T
	runtimeDir string
	output     lockedBuffer
	stop       context.CancelFunc
	ended      chan int
}

// StartUp starts it with so many instances and more arguments, and returns when all are passing. The test's end stops it, and fails
// when something is left behind.
func StartUp(t *testing.T, instances int, args ...string) *Up {
	t.Helper()
	temp, runtimeDir := t.TempDir(), t.TempDir()
	t.Setenv("TMPDIR", temp)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u := &Up{t: t, runtimeDir: runtimeDir, Root: layWorkspace(t, instances), Address: free.Addr().String(), ended: make(chan int, 1)}
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(u.Address)
	if err != nil {
		t.Fatal(err)
	}
	var ctx context.Context
	ctx, u.stop = context.WithCancel(context.Background())
	env := u.env(append([]string{"up", "--agent-port", port}, args...))
	env.Stdout, env.Stderr = &u.output, &u.output
	go func() { u.ended <- cli.Main(ctx, env) }()
	t.Cleanup(func() {
		u.End()
		for _, folder := range []string{temp, runtimeDir} {
			if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
				t.Errorf("left behind are %v, %v", left, err)
			}
		}
		if t.Failed() {
			t.Logf("output:\n%s", u.Output())
		}
	})
	u.Until("ready", func() bool { return strings.Contains(u.Output(), "Ready:") })
	return u
}

func (u *Up) env(args []string) *command.Env {
	variables := map[string]string{"XDG_RUNTIME_DIR": u.runtimeDir}
	return &command.Env{
		Args: args, Stdin: strings.NewReader(""), Dir: u.Root, Environ: os.Environ,
		Getenv: func(name string) string { return variables[name] },
	}
}

// Panda runs another command in the workspace's folder, in this process, until it ends or ctx does, and returns its exit code and
// all that it has printed.
func (u *Up) Panda(ctx context.Context, args ...string) (code int, output string) {
	u.t.Helper()
	var text lockedBuffer
	env := u.env(args)
	env.Stdout, env.Stderr = &text, &text
	code = cli.Main(ctx, env)
	return code, text.String()
}

// Environment is what a process of another command needs to find this one.
func (u *Up) Environment() []string { return []string{"XDG_RUNTIME_DIR=" + u.runtimeDir} }

// Output returns what it has printed until now.
func (u *Up) Output() string { return u.output.String() }

// End stops all and wants no process to be left.
func (u *Up) End() {
	u.t.Helper()
	if u.stop == nil {
		return
	}
	u.stop()
	u.stop = nil
	if code := <-u.ended; code != 0 {
		u.t.Errorf("panda up ends with exit code %d", code)
	}
	if left := Children(u.t); len(left) > 0 {
		u.t.Errorf("processes left behind: %v", left)
	}
}

// Until polls a condition that tells no one of its changes.
func (u *Up) Until(what string, condition func() bool) {
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

// layWorkspace makes a module with the drill's service in it, in a folder with a space and letters that are not ASCII.
func layWorkspace(t *testing.T, instances int) string {
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
		Save(t, filepath.Join(root, to), string(text))
	}
	module := strings.NewReplacer(
		"module github.com/pandakit/panda/conformance", "module example.com/shop",
		"=> ..", "=> "+strconv.Quote(panda))
	text, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	Save(t, filepath.Join(root, "go.mod"), module.Replace(string(text)))
	Save(t, filepath.Join(root, "panda.yaml"), fmt.Sprintf("services: {drill: {replicas: %d}}\n", instances))
	Save(t, filepath.Join(root, "drill", "version.go"), Version(0))
	return root
}

// Version is a file drill/version.go that makes the service another program.
func Version(n int) string {
	return fmt.Sprintf("package main\n\nimport \"log\"\n\nfunc init() { log.Print(\"version %d\") }\n", n)
}

// Save writes a file as careful editors do.
func Save(t *testing.T, path, text string) {
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

// Children returns the process IDs of this process's children.
func Children(t *testing.T) []int {
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
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
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
