package generate_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pandakit/panda/internal/protobuild"
	"github.com/pandakit/panda/internal/protobuild/generate"
)

// pinnedModule is a folder with a go.mod that has Go's plugins, which takes the module cache or a network.
func pinnedModule(t *testing.T, run generate.Runner, files map[string]string) string {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("go is not on PATH")
	}
	dir := filepath.Join(t.TempDir(), "with a space")
	write(t, filepath.Join(dir, "go.mod"), "module github.com/pandakit/panda/examples\n\ngo 1.25.0\n\nrequire google.golang.org/protobuf v1.36.12\n")
	for name, content := range files {
		write(t, filepath.Join(dir, filepath.FromSlash(name)), content)
	}
	pinned, err := generate.Pin(t.Context(), dir, []string{"go", "go-grpc"}, run)
	if err != nil || len(pinned) != 2 {
		t.Fatalf("Pin: %q, %v", pinned, err)
	}
	return dir
}

// TestGoldenOfTheCourse makes of the examples' .proto files what stands beside them in the repository, but for the
// comment that names protoc's version.
func TestGoldenOfTheCourse(t *testing.T) {
	t.Parallel()
	examples := filepath.Join("..", "..", "..", "examples")
	files := map[string]string{}
	for _, name := range []string{"proto/message/panda.proto", "proto/myproto/hello.proto"} {
		content, err := os.ReadFile(filepath.Join(examples, filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(content)
	}
	run := generate.Runner{Environ: append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod"), Note: func(text string) { t.Errorf("a note: %s", text) }}
	dir := pinnedModule(t, run, files)
	src, err := protobuild.Find(dir, protobuild.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := protobuild.Compile(t.Context(), src)
	if err != nil {
		t.Fatal(err)
	}
	outputs, err := generate.Generate(t.Context(), c, []generate.Target{{Plugin: "go"}, {Plugin: "go-grpc"}}, run)
	if err != nil || len(outputs) != 3 {
		t.Fatalf("%d outputs, %v", len(outputs), err)
	}
	for _, out := range outputs {
		want, err := os.ReadFile(filepath.Join(examples, filepath.FromSlash(out.Path)))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(withoutVersion(out.Content), withoutVersion(want)) {
			t.Errorf("%s differs from the repository's", out.Path)
		}
	}
	if again, err := generate.Pin(t.Context(), dir, []string{"go", "go-grpc"}, run); err != nil || len(again) != 0 {
		t.Errorf("Pin again: %q, %v", again, err)
	}
}

// withoutVersion leaves out the lines of comments that name the version of protoc.
func withoutVersion(content []byte) []byte {
	var b bytes.Buffer
	for line := range bytes.Lines(content) {
		if !bytes.HasPrefix(line, []byte("//")) || !bytes.Contains(line, []byte("protoc ")) {
			b.Write(line)
		}
	}
	return b.Bytes()
}

func TestWithoutPinnedPlugins(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("go is not on PATH")
	}
	run := generate.Runner{Environ: append(os.Environ(), "GOWORK=off")}
	c := compiled(t, map[string]string{"go.mod": "module example.com/m\n", "a.proto": protoFile("", "example.com/m")})
	_, err := generate.Generate(t.Context(), c, []generate.Target{{Plugin: "go"}}, run)
	want := "generate with go: " + filepath.Join(c.Source.Dir, "go.mod") + " has no line for the tool protoc-gen-go; add it: go get -tool google.golang.org/protobuf/cmd/protoc-gen-go"
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
	if _, err := generate.Generate(t.Context(), c, []generate.Target{{Plugin: "go-grpc"}}, run); err != nil {
		t.Errorf("without a service gRPC's plugin is not needed: %v", err)
	}
	_, err = generate.Generate(t.Context(), c, []generate.Target{{Plugin: "go"}}, generate.Runner{})
	if err == nil || !strings.Contains(err.Error(), "go is not on PATH") {
		t.Errorf("without go: %v", err)
	}
	if _, err := generate.Pin(t.Context(), t.TempDir(), []string{"go"}, run); err == nil || !strings.Contains(err.Error(), "no go.mod") {
		t.Errorf("Pin without a module: %v", err)
	}
	broken := compiled(t, map[string]string{"go.mod": "modul x", "a.proto": message})
	_, err = generate.Generate(t.Context(), broken, []generate.Target{{Plugin: "go"}}, run)
	if err == nil || !strings.Contains(err.Error(), "go.mod:1") {
		t.Errorf("a broken go.mod: %v", err)
	}
}

// TestPinsWhatTheRepositoryPins keeps the versions that Pin writes equal to those that the repository itself uses.
func TestPinsWhatTheRepositoryPins(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(filepath.Join("..", "..", "..", "tools", "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range generate.Pinned() {
		if !strings.Contains(string(content), line) {
			t.Errorf("tools/go.mod has not %q", line)
		}
	}
}

// TestProtocsOwnLanguages lets protoc make what is built into it.
func TestProtocsOwnLanguages(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("protoc")
	if err != nil {
		t.Skip("protoc is not on PATH")
	}
	c := compiled(t, map[string]string{"proto/hello/v1/hello.proto": protoFile("hello.v1", ""), "proto/b.proto": message})
	run := generate.Runner{Environ: []string{"PATH=" + filepath.Dir(program)}}
	outputs, err := generate.Generate(t.Context(), c, []generate.Target{
		{Plugin: "python", Out: "py"}, {Plugin: "java", Out: "java", Only: []string{"b.proto"}},
	}, run)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"py/hello/v1/hello_pb2.py", "py/b_pb2.py", "java/B.java"} {
		if texts(outputs)[name] == "" {
			t.Errorf("no %s among %d outputs", name, len(outputs))
		}
	}
	_, err = generate.Generate(t.Context(), c, []generate.Target{{Plugin: "python", Options: []string{"nonsense=1"}}}, run)
	if err == nil || !strings.Contains(err.Error(), "generate with python: "+program+" ended with exit code 1\n  ") {
		t.Errorf("a wrong option: %v", err)
	}
}
