package polyglot

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/pandakit/panda"
	"github.com/pandakit/panda/conformance/drill/drillpb"
	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/discovery/consul"
	"github.com/pandakit/panda/internal/agent"
	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/cli/gen"
)

// patience bounds each wait; it is never reached by what works.
const patience = 60 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// drill answers a read with its process and refuses to write.
type drill struct {
	drillpb.UnimplementedDrillServer
}

func (drill) Read(context.Context, *drillpb.Request) (*drillpb.Reply, error) {
	return &drillpb.Reply{Pid: uint32(os.Getpid())}, nil
}

func (drill) Write(context.Context, *drillpb.Request) (*drillpb.Reply, error) {
	return nil, status.Error(codes.PermissionDenied, "不可以")
}

// want is what every client prints.
func want() string {
	return fmt.Sprintf("read by %d\nwrite: PermissionDenied: 不可以\n", os.Getpid())
}

func TestTypeScript(t *testing.T) {
	t.Parallel()
	node, npm := tool(t, "node"), tool(t, "npm")
	dir := project(t, "node")
	run(t, dir, nil, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	generated(t, dir, "gen/drill/v1/drill_pb.ts")
	run(t, dir, nil, node, filepath.Join("node_modules", "typescript", "bin", "tsc"))
	if got := run(t, dir, serve(t), node, filepath.Join("out", "program.js")); got != want() {
		t.Errorf("the client says\n%s\nwant\n%s", got, want())
	}
}

func TestPython(t *testing.T) {
	t.Parallel()
	python := "/usr/bin/python3" // Debian's, which has Debian's packages, before any other on PATH
	if err := exec.CommandContext(t.Context(), python, "-c", "import grpc, google.protobuf").Run(); err != nil {
		t.Skip("gRPC for Python is not installed (Debian: python3-grpcio, python3-protobuf)")
	}
	tool(t, "protoc")
	tool(t, "grpc_python_plugin")
	dir := project(t, "python")
	generated(t, dir, "gen/drill/v1/drill_pb2.py", "gen/drill/v1/drill_pb2_grpc.py")
	if got := run(t, dir, serve(t), python, "program.py"); got != want() {
		t.Errorf("the client says\n%s\nwant\n%s", got, want())
	}
}

// tool finds a program, without which there is nothing to test.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	return path
}

// project is a folder with the client's files and the service's .proto file.
func project(t *testing.T, language string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "熊猫 "+language)
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", language))); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join("..", "drill", "drillpb", "drill.proto"))
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(dir, "proto", "drill", "v1")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "drill.proto"), content, 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// generated does what `panda gen` does in dir, and wants these files to be all that it makes.
func generated(t *testing.T, dir string, names ...string) {
	t.Helper()
	env := &command.Env{Stdout: io.Discard, Stderr: io.Discard, Getenv: os.Getenv, Environ: os.Environ, Dir: dir}
	result, err := gen.Generate(t.Context(), env, ".")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range result.Files {
		got = append(got, filepath.ToSlash(gen.Shown(env, f.Path)))
	}
	if !slices.Equal(got, names) || result.Changed() != len(names) {
		t.Fatalf("generated %q, %d of them written, want %q", got, result.Changed(), names)
	}
}

// run runs a program to its end and returns what it printed.
func run(t *testing.T, dir string, environ []string, program string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), environ...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s%s", program, strings.Join(args, " "), err, &stdout, &stderr)
	}
	return stdout.String()
}

// serve starts an agent and the service, waits until the agent says that it can be called, and returns the
// environment of those who look for it.
func serve(t *testing.T) []string {
	t.Helper()
	a, err := agent.New(agent.Config{HTTPAddr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	background(t, a.Run)
	registry, err := consul.New(consul.Config{Addresses: []string{a.Addr().String()}})
	if err != nil {
		t.Fatal(err)
	}
	service := panda.NewService("drill", panda.WithRegistry(registry), panda.WithLogger(slog.New(slog.DiscardHandler)),
		panda.WithAddress("127.0.0.1:0"), panda.WithLeaveDelay(0))
	drillpb.RegisterDrillServer(service, drill{})
	background(t, service.Run)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err = registry.Watch(ctx, "drill", func(s discovery.Snapshot) {
		if len(s.Instances) == 1 && s.Instances[0].Status() == discovery.Passing {
			cancel()
		}
	})
	if ctx.Err() == context.DeadlineExceeded {
		t.Fatalf("the service is not passing after %v: %v", patience, err)
	}
	return []string{"CONSUL_HTTP_ADDR=" + a.Addr().String()}
}

// background runs something until the test ends, and waits for it then.
func background(t *testing.T, run func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("it ended with %v", err)
		}
	})
}
