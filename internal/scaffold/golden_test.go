package scaffold_test

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pandakit/panda/internal/agent"
	"github.com/pandakit/panda/internal/cli/newcmd"
	"github.com/pandakit/panda/internal/scaffold"
)

var update = flag.Bool("update", false, "write the projects that are made into testdata/golden")

// golden is where the projects are that the tests compare with, one of each type.
const golden = "testdata/golden"

// checkoutShown stands for the folder of this checkout in what is compared.
const checkoutShown = "/path/to/panda"

// patience bounds each wait; it is never reached by what works.
const patience = 3 * time.Minute

// project is one that is made for comparison.
type project struct {
	scaffold.Type

	path     string
	language scaffold.Language
}

// projects are made in this order: the second and those behind it call the first.
var projects = []project{
	{scaffold.Srv, "rpc.srv", scaffold.English},
	{scaffold.Web, "rpc.web", scaffold.English},
	{scaffold.API, "shop-api", scaffold.Chinese},
	{scaffold.RPC, "info.rpc", scaffold.Chinese},
	{scaffold.CLI, "rpc.cli", scaffold.English},
}

// tools are those of this machine, with the module cache and nothing else to get modules from.
func tools(t *testing.T) scaffold.Tools {
	t.Helper()
	goCommand, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	return scaffold.Tools{Go: goCommand, Environ: append(os.Environ(), "GOPROXY=off", "GOFLAGS="), Generate: newcmd.GenerateGo}
}

func plan(t *testing.T, root string, p project, found ...scaffold.Found) *scaffold.Plan {
	t.Helper()
	panda, err := scaffold.FindPanda("")
	if err != nil {
		t.Fatal(err)
	}
	made, err := scaffold.NewPlan(scaffold.Request{Dir: root, Path: p.path, Type: p.Type, Language: p.language, Panda: panda})
	if err != nil {
		t.Fatal(err)
	}
	if err := made.Call("", found); err != nil {
		t.Fatal(err)
	}
	return made
}

// TestGolden makes a project of each type on a path with spaces and letters that are not ASCII, from the module cache
// alone, compares them with those in testdata, and tests and lints what was made. Create has compiled and vetted it.
func TestGolden(t *testing.T) {
	if testing.Short() {
		t.Skip("it compiles five modules")
	}
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	root = filepath.Join(root, "my 服务 días")
	found := scaffold.Found{Name: "rpc", Dir: filepath.Join(root, "rpc.srv")}
	var folders []string
	for _, p := range projects {
		made := plan(t, root, p, found)
		if _, err := made.Create(t.Context(), tools(t)); err != nil {
			t.Fatal(err)
		}
		compare(t, made)
		folders = append(folders, "./"+p.path)
	}
	if t.Failed() {
		return
	}
	// One go.work for all makes one run of them.
	goRun(t, root, append([]string{"work", "init"}, folders...)...)
	var all []string
	for _, folder := range folders {
		all = append(all, folder+"/...")
	}
	goRun(t, root, append([]string{"test"}, all...)...)
	lint(t, root, all)
	checkTogether(t, root)
}

func goRun(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOPROXY=off", "GOFLAGS=-buildvcs=false")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// lint runs the linter that make builds, if it is there: with this repository's settings, and with none.
func lint(t *testing.T, dir string, packages []string) {
	t.Helper()
	linter, err := filepath.Abs("../../bin/golangci-lint")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(linter); err != nil {
		t.Log("not linted: make lint builds bin/golangci-lint")
		return
	}
	settings, err := filepath.Abs("../../.golangci.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, flags := range [][]string{{"--config", settings}, {"--no-config"}} {
		cmd := exec.CommandContext(t.Context(), linter, slices.Concat([]string{"run", "--allow-parallel-runners"}, flags, packages)...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOPROXY=off")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("golangci-lint %s: %v\n%s", flags[0], err, out)
		}
	}
}

// checkTogether runs the srv and the web as they are run in earnest, with the agent as their registry. The page calls the
// srv by name; and each asks itself with -health, as a container's health check does, which fails when it has ended.
func checkTogether(t *testing.T, root string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	registry, err := agent.New(agent.Config{HTTPAddr: "127.0.0.1:0", Node: "laptop"})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	running, stop := context.WithCancel(ctx)
	go func() { ended <- registry.Run(running) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	var health []func() error
	var address string
	for _, name := range []string{"rpc.srv", "rpc.web"} {
		var ask func() error
		address, ask = start(ctx, t, filepath.Join(root, name), registry.Addr().String())
		health = append(health, ask)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/api/greet?name=Lin", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, err := io.ReadAll(response.Body); err != nil || string(body) != `{"message":"Hello, Lin!"}`+"\n" {
		t.Errorf("the page says %s, %v", body, err)
	}
	for _, ask := range health {
		if err := ask(); err == nil {
			t.Error("-health succeeds after the service has ended")
		}
	}
}

// start builds and starts a service and returns its address as soon as it serves. What it also returns kills it first,
// and then asks with -health.
func start(ctx context.Context, t *testing.T, dir, registry string) (address string, askDead func() error) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "service.exe")
	goRun(t, dir, "build", "-o", program, ".")
	cmd := exec.CommandContext(ctx, program)
	cmd.Env = append(os.Environ(), "PANDA_ADDR=127.0.0.1:0", "CONSUL_HTTP_ADDR="+registry)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	end := sync.OnceFunc(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()         // killed
	})
	t.Cleanup(end)
	for lines := bufio.NewScanner(stderr); address == "" && lines.Scan(); {
		for field := range strings.FieldsSeq(lines.Text()) {
			if value, ok := strings.CutPrefix(field, "address="); ok {
				address = value
			}
		}
	}
	health := func() error {
		probe := exec.CommandContext(ctx, program, "-health")
		probe.Env = append(os.Environ(), "PANDA_ADDR="+address)
		return probe.Run()
	}
	// It answers NOT_SERVING until it has begun to register.
	for err = health(); err != nil && ctx.Err() == nil; err = health() {
	}
	if address == "" || err != nil {
		t.Fatalf("-health of %s at %q: %v", dir, address, err)
	}
	return address, func() error {
		end()
		return health()
	}
}

// compare wants a project to be what is in testdata, or writes it there.
func compare(t *testing.T, p *scaffold.Plan) {
	t.Helper()
	want := filepath.Join(golden, string(p.Type))
	if *update {
		if err := os.RemoveAll(want); err != nil {
			t.Fatal(err)
		}
	}
	got := read(t, p.Folder)
	for name, content := range got {
		got[name] = strings.ReplaceAll(content, filepath.ToSlash(p.Panda.Dir), checkoutShown)
		if !*update {
			continue
		}
		at := filepath.Join(want, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(got[name]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, content := range read(t, want) {
		if made, ok := got[name]; !ok || made != content {
			t.Errorf("%s/%s is made in another way (there: %v); look at it with -update and git diff", p.Type, name, ok)
		}
		delete(got, name)
	}
	for name := range got {
		t.Errorf("%s/%s is made, and is not in %s; see -update", p.Type, name, golden)
	}
}

// read returns all files below a folder, by their paths with slashes.
func read(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		files[name] = string(bytes.ReplaceAll(content, []byte("\r\n"), []byte("\n")))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
