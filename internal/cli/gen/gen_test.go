package gen_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/cli/gen"
	"github.com/pandakit/panda/internal/protobuild"
	"github.com/pandakit/panda/internal/protobuild/generate"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const goMod = "module example.com/m\n\ngo 1.25.0\n\nrequire google.golang.org/protobuf v1.36.12\n"

// environment is one of a command whose working directory has these files.
func environment(t *testing.T, files map[string]string) (env *command.Env, stdout, stderr *bytes.Buffer) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "熊猫 dir")
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	stdout, stderr = new(bytes.Buffer), new(bytes.Buffer)
	return &command.Env{
		Stdout: stdout, Stderr: stderr, Dir: dir, Getenv: os.Getenv,
		Environ: func() []string { return append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod") },
	}, stdout, stderr
}

// run runs the command.
func run(t *testing.T, env *command.Env, args ...string) error {
	t.Helper()
	cmd := gen.New(env)
	cmd.SetArgs(args)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	return cmd.ExecuteContext(t.Context())
}

// TestFromNothingToGoCode is the course's way: a .proto file with its go_package, no plugin, no protoc.
func TestFromNothingToGoCode(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("go is not on PATH")
	}
	env, stdout, stderr := environment(t, map[string]string{
		"go.mod": goMod,
		"proto/panda.proto": `syntax = "proto3"; package message; option go_package = "./Message";
			message PandaRequest { string name = 1; int32 height = 2; repeated int32 weight = 3; }
			service Pandas { rpc Weigh(PandaRequest) returns (PandaRequest); }`,
	})
	err := run(t, env)
	if _, ok := errors.AsType[*generate.UnpinnedError](err); !ok || command.Advice(err) == "" {
		t.Fatalf("without tools: %v", err)
	}
	if err := run(t, env, "--pin"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"go.mod has the tool google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12\n",
		"go.mod has the tool google.golang.org/grpc/cmd/protoc-gen-go-grpc@v",
		"wrote proto/Message/panda.pb.go\nwrote proto/Message/panda_grpc.pb.go\n",
	} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("printed\n%s\nwant %q", stdout, want)
		}
	}
	note := "note: go_package \"./Message\" of panda.proto: its Go code is package Message, imported as \"example.com/m/proto/Message\"\n"
	if stderr.String() != note {
		t.Errorf("told\n%s\nwant\n%s", stderr, note)
	}
	for flags, want := range map[string]string{"": "", "--check": "", "-v": note, "--check -v": note} {
		stdout.Reset()
		stderr.Reset()
		err := run(t, env, strings.Fields(flags)...)
		if err != nil || stdout.String() != "up to date: 2 files from 1 .proto file\n" || stderr.String() != want {
			t.Errorf("panda gen %s with nothing to do: %v\n%s%s", flags, err, stdout, stderr)
		}
	}
	code, err := os.ReadFile(filepath.Join(env.Dir, "proto", "Message", "panda.pb.go"))
	if err != nil || !bytes.Contains(code, []byte("\npackage Message\n")) || !bytes.Contains(code, []byte("// source: panda.proto\n")) {
		t.Errorf("the code begins with\n%.600s\n%v", code, err)
	}
	result, err := gen.Generate(t.Context(), env, env.Dir)
	if err != nil || len(result.Files) != 2 || result.Changed() != 0 || result.Sources != 1 || len(result.Notes) != 1 {
		t.Errorf("Generate: %+v, %v", result, err)
	}
}

func TestGenerateWithoutProtoFilesIsNothing(t *testing.T) {
	t.Parallel()
	env, _, _ := environment(t, map[string]string{"go.mod": goMod})
	result, err := gen.Generate(t.Context(), env, ".")
	if err != nil || len(result.Files) != 0 {
		t.Errorf("got %+v, %v", result, err)
	}
	_, err = gen.Projects(env)
	if _, none := errors.AsType[*protobuild.NoFilesError](err); !none {
		t.Errorf("Projects: %v", err)
	}
}

func TestGenerateTellsTheProblemsOfAllProjects(t *testing.T) {
	t.Parallel()
	env, _, stderr := environment(t, map[string]string{
		"a/go.mod": goMod, "a/proto/a.proto": "syntax = \"proto3\";\nmessage {}\n",
		"b/go.mod": goMod, "b/b.proto": "syntax = \"proto3\";\nmessage B { X x = 1; }\n",
	})
	_, err := gen.Generate(t.Context(), env, ".")
	wrong, ok := errors.AsType[*gen.ProblemsError](err)
	if !ok || wrong.Error() != "2 problems in 2 .proto files" {
		t.Fatalf("got %v", err)
	}
	wrong.Write(env)
	want := "a/proto/a.proto:2:9: syntax error: unexpected '{'\n  message {}\n          ^\n" +
		"b/b.proto:2:13: field B.x: unknown type X\n  message B { X x = 1; }\n              ^\n"
	if stderr.String() != want {
		t.Errorf("told\n%s\nwant\n%s", stderr, want)
	}
}

// described is the folder of a project and its files; those that are not wanted have a -.
func described(env *command.Env, p *gen.Project) string {
	text := filepath.ToSlash(gen.Shown(env, p.Source.Dir))
	for _, name := range p.Source.Files {
		if p.Wanted(name) {
			text += " " + name
		} else {
			text += " -" + name
		}
	}
	return text
}

func TestProjects(t *testing.T) {
	t.Parallel()
	const empty = "syntax = \"proto3\";\n"
	env, _, _ := environment(t, map[string]string{
		"panda.yaml": "proto: {exclude: [a/proto/old, x]}\n",
		"a/go.mod":   goMod, "a/proto/one/a.proto": empty, "a/proto/two/b.proto": empty, "a/proto/old/c.proto": empty,
		"b/go.mod": goMod, "b/panda.yaml": "proto: {roots: [idl], generate: [{plugin: es}]}\n", "b/idl/d.proto": empty, "b/other/e.proto": empty,
		"shared/f.proto": empty,
	})
	for _, test := range []struct {
		paths []string
		want  []string // the folder of each project, its files, and those that are wanted
	}{
		{nil, []string{". shared/f.proto", "a one/a.proto two/b.proto", "b d.proto"}},
		{[]string{"./..."}, []string{". shared/f.proto", "a one/a.proto two/b.proto", "b d.proto"}},
		{[]string{"a"}, []string{"a one/a.proto two/b.proto"}},
		{[]string{"a/proto/one"}, []string{"a one/a.proto -two/b.proto"}},
		{[]string{"a/proto/two/b.proto"}, []string{"a -one/a.proto two/b.proto"}},
		{[]string{"a/proto/two", "a/proto/one/a.proto"}, []string{"a one/a.proto two/b.proto"}},
		{[]string{"a/proto/two", "a"}, []string{"a one/a.proto two/b.proto"}},
		{[]string{"b/idl/d.proto"}, []string{"b d.proto"}},
	} {
		projects, err := gen.Projects(env, test.paths...)
		if err != nil {
			t.Errorf("%q: %v", test.paths, err)
			continue
		}
		var got []string
		for _, p := range projects {
			got = append(got, described(env, p))
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%q: got %q, want %q", test.paths, got, test.want)
		}
	}
	_, err := gen.Projects(env, "b/other")
	if command.ExitCode(err) != command.ExitUsage || !strings.Contains(err.Error(), "b/other: it is not among the .proto files of b: ") {
		t.Errorf("a file outside of the roots: %v", err)
	}
}

// Where there is no module, packages say where the names of files begin.
func TestProjectsOutsideOfModules(t *testing.T) {
	t.Parallel()
	const shop = "syntax = \"proto3\";\npackage shop.v1;\n"
	env, _, _ := environment(t, map[string]string{
		"shop/v1/a.proto": shop, "shop/v1/deep/none.proto": "syntax = \"proto3\";\n",
		"other/v1/b.proto": "syntax = \"proto3\";\npackage other.v1;\nimport \"shop/v1/a.proto\";\n",
		"two/x/v1/a.proto": "package x.v1;\n", "two/y/v1/a.proto": "package two.y.v1;\n",
		"odd/v1/a.proto": "package elsewhere.v1;\n",
	})
	for path, want := range map[string]string{
		"shop":            ". shop/v1/a.proto shop/v1/deep/none.proto",
		"shop/v1":         ". shop/v1/a.proto shop/v1/deep/none.proto",
		"shop/v1/a.proto": ". shop/v1/a.proto -shop/v1/deep/none.proto",
		"other":           ". other/v1/b.proto",
		"two":             "two x/v1/a.proto y/v1/a.proto", // which do not agree
		"two/x":           "two x/v1/a.proto",
		"odd":             "odd v1/a.proto",
	} {
		projects, err := gen.Projects(env, path)
		if err != nil || len(projects) != 1 {
			t.Errorf("%s: %d projects, %v", path, len(projects), err)
			continue
		}
		projects[0].NameByPackages()
		if got := described(env, projects[0]); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
		if _, err := projects[0].Compile(t.Context()); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}
