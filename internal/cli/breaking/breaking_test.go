package breaking

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/protobuild"
	"github.com/pandakit/panda/internal/rpccall"
	"github.com/pandakit/panda/internal/rpccall/rpccalltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAskSeveralInstances(t *testing.T) {
	address, stop, err := rpccalltest.Serve(false)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	instances := []*instance{{address: rpccalltest.Start(t)}, {address: address}, {address: "127.0.0.1:1"}}
	ask(t.Context(), instances)
	if instances[0].err != nil || len(instances[0].files) == 0 {
		t.Errorf("got %v, %v", instances[0].files, instances[0].err)
	}
	for _, file := range instances[0].files {
		if strings.HasPrefix(string(file.Package()), "grpc.") {
			t.Errorf("%s is gRPC's own", file.Path())
		}
	}
	if !errors.Is(instances[1].err, rpccall.ErrNoReflection) {
		t.Errorf("without reflection: got %v", instances[1].err)
	}
	if instances[2].err == nil {
		t.Error("nobody at port 1 answered")
	}
}

func TestInstancesThatServeTheSame(t *testing.T) {
	one, other := &instance{address: rpccalltest.Start(t)}, &instance{address: rpccalltest.Start(t)}
	ask(t.Context(), []*instance{one, other})
	a, err := digest("hello", one.files)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := digest("hello", other.files); err != nil || a != b {
		t.Errorf("two instances of one program differ (%v)", err)
	}
	if b, err := digest("hello", one.files[1:]); err != nil || a == b {
		t.Errorf("a file less is the same (%v)", err)
	}
}

func TestShownServers(t *testing.T) {
	t.Parallel()
	for want, names := range map[string][]string{
		"":                               nil,
		"; served by a":                  {"a"},
		"; served by a, b, c":            {"a", "b", "c"},
		"; served by a, b, c and 2 more": {"a", "b", "c", "d", "e"},
	} {
		if got := shownServers(names); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestNextBlob(t *testing.T) {
	t.Parallel()
	r := bufio.NewReader(strings.NewReader("abc blob 5\nhello\nabd blob 0\n\nabe missing\n"))
	for _, want := range []string{"hello", ""} {
		if got, err := nextBlob(r); err != nil || string(got) != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
	if _, err := nextBlob(r); err == nil || err.Error() != `git says "abe missing"` {
		t.Errorf("got %v", err)
	}
	for _, text := range []string{"", "abc blob 5\nhel", "abc blob x\n", "abc blob -1\n", fmt.Sprintf("abc blob %d\n", 1<<40)} {
		if got, err := nextBlob(bufio.NewReader(strings.NewReader(text))); err == nil {
			t.Errorf("%q gives %q", text, got)
		}
	}
}

// TestAgainstADescriptorSet compares with what protoc would have written of earlier files, imports included.
func TestAgainstADescriptorSet(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const head = "syntax = \"proto3\";\npackage acme.v1;\nimport \"google/protobuf/timestamp.proto\";\n"
	write("a.proto", head+"message A {\n  google.protobuf.Timestamp at = 1;\n}\n")
	source, err := protobuild.Find(folder, protobuild.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	compiled, err := protobuild.Compile(t.Context(), source)
	if err != nil {
		t.Fatal(err)
	}
	set, err := proto.Marshal(compiled.DescriptorSet())
	if err != nil {
		t.Fatal(err)
	}
	write("before.binpb", string(set))
	run := func() (string, int) {
		var out bytes.Buffer
		env := &command.Env{Stdout: &out, Stderr: &out, Dir: folder, Environ: func() []string { return nil }}
		cmd := New(env)
		cmd.SetArgs([]string{"--against", "before.binpb"})
		cmd.SetOut(&out)
		cmd.SetErr(&out)
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		code := command.ExitCode(cmd.ExecuteContext(t.Context()))
		return out.String(), code
	}
	if out, code := run(); code != command.ExitDone || out != "" {
		t.Errorf("nothing has changed: got %d, %s", code, out)
	}
	write("a.proto", head+"message A {\n  google.protobuf.Timestamp since = 1;\n}\n")
	if out, code := run(); code != command.ExitFindings || !strings.HasPrefix(out, "a.proto:5:") || strings.Contains(out, "google") {
		t.Errorf("a field was renamed: got %d, %s", code, out)
	}
}
