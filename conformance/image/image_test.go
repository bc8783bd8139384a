package image

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdxlib"

	"github.com/pandakit/panda/conformance/dockerd"
	"github.com/pandakit/panda/internal/agent"
)

// TestExampleRunsInAnEngine loads an example, finds it by name, calls it, and ends it.
func TestExampleRunsInAnEngine(t *testing.T) {
	t.Parallel()
	engine := dockerd.Get(t)
	const image = "panda-image-hello:1.2.3"
	images := parse(t, panda(t, repository+"/examples", []string{"DOCKER_HOST=" + engine.Host}, "image", "hello", "--name", image, "--json"))
	remove(t, engine, image)
	if got := engine.Run(t, "image", "inspect", "--format", `{{index .Config.Labels "dev.panda.service"}} {{.Config.User}} {{.Config.StopSignal}}`, image); got != "hello 65532:65532 SIGTERM" {
		t.Errorf("the image is of %s", got)
	}
	size, err := strconv.ParseInt(engine.Run(t, "image", "inspect", "--format", "{{.Size}}", image), 10, 64)
	if p := images[0].Platforms[0]; err != nil || size-p.Program > budget || p.Content-p.Program > budget {
		t.Errorf("the image has %d bytes by the engine, %d in its layers, and its program %d: want %d more at most; %v", size, p.Content, p.Program, budget, err)
	}

	network := "panda-image-" + strconv.Itoa(os.Getpid())
	engine.Run(t, "network", "create", network)
	t.Cleanup(func() { _ = engine.Command(context.Background(), "network", "rm", network).Run() })
	registry := startAgent(t, engine.Run(t, "network", "inspect", "--format", "{{(index .IPAM.Config 0).Gateway}}", network))
	id := start(t, engine, "--network", network, "--read-only", "--cap-drop", "ALL", "--env", "CONSUL_HTTP_ADDR="+registry, image)
	await(t, engine, "healthy", "inspect", "--format", "{{.State.Health.Status}}", id)

	if got := panda(t, ".", []string{"CONSUL_HTTP_ADDR=" + registry}, "call", "hello", "SayHello", `{"name":"Panda"}`); !strings.Contains(got, "你好,Panda") {
		t.Errorf("the container answers %q", got)
	}
	engine.Run(t, "kill", "--signal", "SIGTERM", id)
	if got := engine.Run(t, "wait", id); got != "0" {
		t.Errorf("it has ended with %s, want 0", got)
	}
}

// startAgent runs an agent on an address of this machine that containers reach, and returns host:port.
func startAgent(t *testing.T, address string) string {
	t.Helper()
	running, err := agent.New(agent.Config{HTTPAddr: net.JoinHostPort(address, "0"), Address: address})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- running.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return running.Addr().String()
}

// TestImageHasWhatProgramsNeed runs a program that looks around in an image made of it as it is.
func TestImageHasWhatProgramsNeed(t *testing.T) {
	t.Parallel()
	engine := dockerd.Get(t)
	binary := filepath.Join(t.TempDir(), "inside")
	dockerd.BuildStatic(t, "./testdata/inside", binary)
	const image = "panda-image-inside:1"
	panda(t, ".", []string{"DOCKER_HOST=" + engine.Host}, "image", "--binary", binary, "--name", image, "--volume", "/data", "--env", "TZ=Asia/Tokyo", "--", "a", "b")
	remove(t, engine, image)
	const want = "user 65532:65532\nname panda /tmp\nzone Asia/Shanghai 20:00\nzone US/Pacific 05:00\nlocal 21:00\nroots some\n" +
		"write /tmp true\nwrite /data true\nwrite /etc false\nargs [a b]"
	if got := engine.Run(t, "run", "--rm", image); got != want {
		t.Errorf("the program finds\n%s\nwant\n%s", got, want)
	}
	volume := "panda-image-" + strconv.Itoa(os.Getpid())
	t.Cleanup(func() { _ = engine.Command(context.Background(), "volume", "rm", volume).Run() })
	if got := engine.Run(t, "run", "--rm", "--volume", volume+":/data", image, "c"); !strings.Contains(got, "write /data true\n") || !strings.HasSuffix(got, "args [c]") {
		t.Errorf("with a volume of that name the program finds\n%s", got)
	}
}

// TestExamplesAreTheSameInTwoFolders makes the images of all examples in two copies of the repository.
func TestExamplesAreTheSameInTwoFolders(t *testing.T) {
	t.Parallel()
	var seen []made
	for _, name := range []string{"one", "two, another"} {
		folder := filepath.Join(t.TempDir(), name)
		copySource(t, folder)
		images := parse(t, panda(t, folder, nil, "image", "--dir", "examples", "--tarball", "all.tar", "--json"))
		if len(images) != 3 || seen != nil && !slices.EqualFunc(images, seen, func(a, b made) bool { return a.Digest == b.Digest }) {
			t.Errorf("two folders give\n%+v\n%+v", seen, images)
		}
		seen = images
		for _, image := range images {
			checkBill(t, filepath.Join(folder, "all."+image.Service+".spdx.json"), image.Service)
		}
		for _, image := range images {
			if p := image.Platforms[0]; p.Content-p.Program > budget {
				t.Errorf("%s has %d bytes, its program %d", image.Name, p.Content, p.Program)
			}
		}
	}
}

// checkBill wants a bill of materials that SPDX's own library takes, and that names what examples are made of.
func checkBill(t *testing.T, path, service string) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	bill, err := json.Read(file)
	if err == nil {
		err = spdxlib.ValidateDocument(bill)
	}
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	described, err := spdxlib.GetDescribedPackageIDs(bill)
	if err != nil || len(described) != 1 {
		t.Errorf("%s describes %v, %v, want one image", path, described, err)
	}
	found := make(map[string]string)
	for _, p := range bill.Packages {
		found[p.PackageName] = p.PackageVersion
	}
	for name, version := range map[string]string{service: "dev", "github.com/pandakit/panda/examples": "dev", "google.golang.org/grpc": "v1.", "stdlib": "1."} {
		if !strings.HasPrefix(found[name], version) || found[name] == "" {
			t.Errorf("%s has %s in version %q, want %s", path, name, found[name], version)
		}
	}
}

// copySource copies what the examples are compiled from.
func copySource(t *testing.T, to string) {
	t.Helper()
	err := filepath.WalkDir(repository, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(repository, path)
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() {
			if relative != "." && (strings.HasPrefix(name, ".") || slices.Contains([]string{"bin", "bench", "conformance", "docs", "testdata", "tools"}, name)) {
				return fs.SkipDir
			}
			return os.MkdirAll(filepath.Join(to, relative), 0o750)
		}
		if !slices.Contains([]string{".go", ".mod", ".sum", ".yaml", ".html"}, filepath.Ext(name)) || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, relative), text, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestDockerfileGivesTheSame has the engine build the Dockerfile of an example. The image of Go that it begins with is
// one in which the shell is real and the go command hands over what the very same command lines made on this machine.
func TestDockerfileGivesTheSame(t *testing.T) {
	t.Parallel()
	engine := dockerd.Get(t)
	text := panda(t, repository+"/examples", nil, "image", "hello", "--dockerfile", "-", "--tag", "1.2.3", "--volume", "/data")
	stage := t.TempDir()
	for at, name := range []string{"panda-health", "hello"} {
		compileAs(t, text, at, filepath.Join(stage, "made", name))
	}
	goImage(t, stage)
	first := regexp.MustCompile(`(?m)^FROM golang:\S+`)
	context := t.TempDir()
	for path, content := range map[string]string{
		filepath.Join(stage, "Dockerfile"):        "FROM scratch\nCOPY . /\nENV PATH=/bin\n",
		filepath.Join(context, "Dockerfile"):      first.ReplaceAllString(text, "FROM panda-image-go:1"),
		filepath.Join(context, "examples/go.mod"): "module example\n",
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	engine.Run(t, "build", "--quiet", "--tag", "panda-image-go:1", stage)
	remove(t, engine, "panda-image-go:1")
	const image = "panda-image-dockerfile:1"
	engine.Run(t, "build", "--quiet", "--tag", image, context)
	remove(t, engine, image)
	const ours = "panda-image-packed:1"
	panda(t, repository+"/examples", []string{"DOCKER_HOST=" + engine.Host}, "image", "hello", "--name", ours, "--tag", "1.2.3", "--volume", "/data")
	remove(t, engine, ours)
	const shown = `{{.Config.User}} {{json .Config.Env}} {{json .Config.Entrypoint}} {{json .Config.ExposedPorts}} {{json .Config.Healthcheck}} {{.Config.StopSignal}} {{.Config.WorkingDir}}`
	if got, want := engine.Run(t, "image", "inspect", "--format", shown, image), engine.Run(t, "image", "inspect", "--format", shown, ours); got != want {
		t.Errorf("the Dockerfile gives\n%s\nwant\n%s", got, want)
	}
	if got, want := files(t, engine, image), files(t, engine, ours); !slices.Equal(got, want) {
		t.Errorf("the Dockerfile gives the files\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	id := start(t, engine, "--read-only", image)
	await(t, engine, "healthy", "inspect", "--format", "{{.State.Health.Status}}", id)
	engine.Run(t, "stop", id)
	if got := engine.Run(t, "wait", id); got != "0" {
		t.Errorf("it has ended with %s, want 0", got)
	}
}

// files lists those of an image, with their modes, owners and sizes, but for authorities, which are the builder's own.
func files(t *testing.T, engine *dockerd.Engine, image string) []string {
	t.Helper()
	id := engine.Run(t, "create", image)
	defer engine.Run(t, "rm", id)
	export := engine.Command(t.Context(), "export", id)
	list := exec.CommandContext(t.Context(), "tar", "-tv", "--numeric-owner")
	pipe, err := export.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	list.Stdin = pipe
	if err := export.Start(); err != nil {
		t.Fatal(err)
	}
	out, err := list.Output()
	if err != nil || export.Wait() != nil {
		t.Fatalf("list the files of %s: %v", image, err)
	}
	var found []string
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if name := f[5]; strings.HasPrefix(name, "usr/local/") || strings.HasPrefix(name, "usr/libexec/") || strings.HasPrefix(name, "tmp") || strings.HasPrefix(name, "data") {
			found = append(found, fmt.Sprintln(f[0][:1], name, f[1]))
		}
	}
	slices.Sort(found)
	return found
}

// compileAs runs the nth go build of the Dockerfile on this machine.
func compileAs(t *testing.T, dockerfile string, n int, output string) {
	t.Helper()
	lines := regexp.MustCompile(`(?m)^RUN (go build .*?) -o \S+ (\S+)`).FindAllStringSubmatch(dockerfile, -1)
	if len(lines) != 2 {
		t.Fatalf("the Dockerfile compiles %d programs, want 2:\n%s", len(lines), dockerfile)
	}
	if err := os.MkdirAll(filepath.Dir(output), 0o750); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", lines[n][1]+` -o "$1" `+lines[n][2], "sh", output)
	cmd.Dir, cmd.Env = repository+"/examples", append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOPROXY=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", lines[n][0], err, out)
	}
}

// goImage puts together what stands in for an image of Go: this machine's shell and tools with their libraries, and a go
// command and an unzip that hand over what is in /made.
func goImage(t *testing.T, stage string) {
	t.Helper()
	copyIn := func(from, to string) {
		text, err := os.ReadFile(from)
		if err == nil {
			err = os.MkdirAll(filepath.Join(stage, filepath.Dir(to)), 0o755)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(stage, to), text, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	library := regexp.MustCompile(`/\S+`)
	for _, name := range []string{"sh", "mkdir", "chmod", "cp", "mv"} {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		copyIn(path, "bin/"+name)
		out, err := exec.CommandContext(t.Context(), "ldd", path).Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, lib := range library.FindAllString(string(out), -1) {
			copyIn(lib, lib)
		}
	}
	for name, script := range map[string]string{
		"go":    "#!/bin/sh\nwhile [ \"$1\" != -o ]; do shift; done\ncase $2 in */) cp /made/panda-health $2health;; *) cp /made/${2##*/} $2;; esac\n",
		"unzip": "#!/bin/sh\nmkdir -p $4/Asia\n",
	} {
		if err := os.WriteFile(filepath.Join(stage, "bin", name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	copyIn("/etc/ssl/certs/ca-certificates.crt", "etc/ssl/certs/ca-certificates.crt")
}
