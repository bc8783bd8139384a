package generate_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pandakit/panda/internal/protobuild/generate"
)

const (
	empty   = "syntax = \"proto3\";\n"
	message = empty + "message M { optional string s = 1; }\n"
)

// texts are outputs by path.
func texts(outputs []generate.Output) map[string]string {
	all := map[string]string{}
	for _, out := range outputs {
		all[out.Path] = string(out.Content)
	}
	return all
}

func TestGenerate(t *testing.T) {
	t.Parallel()
	c := compiled(t, map[string]string{
		"proto/x/a.proto": empty + "import \"x/b.proto\"; import \"google/protobuf/empty.proto\"; message A { B b = 1; google.protobuf.Empty e = 2; }",
		"proto/x/b.proto": empty + "message B {}",
	})
	run := generate.Runner{Environ: []string{"PATH=" + plugins(t, "echo", "echo2"), "GREETING=no"}}
	targets := []generate.Target{
		{Plugin: "echo", Options: []string{"p=1", "q"}},
		{Plugin: "echo2", Out: "gen/two", Only: []string{"x/b.proto"}},
	}
	outputs, err := generate.Generate(t.Context(), c, targets, run)
	if err != nil {
		t.Fatal(err)
	}
	set := "google/protobuf/empty.proto\nx/b.proto\nx/a.proto\n"
	if outputs[0].Path != "all.echo" {
		t.Errorf("the outputs are not sorted: %v", outputs)
	}
	inOrder := "p=1,q\nx/b.proto\n" // each after its imports
	want := map[string]string{"x/a.echo": "x/a.proto\n", "x/b.echo": "x/b.proto\n", "gen/two/x/b.echo2": "x/b.proto\n"}
	got := texts(outputs)
	if all := got["all.echo"]; !strings.HasPrefix(all, inOrder) || len(all) != len("p=1,q\n"+set) {
		t.Errorf("the plugin is given %q", all)
	}
	for name, content := range want {
		if got[name] != content {
			t.Errorf("%s: %q, want %q", name, got[name], content)
		}
	}
	again, err := generate.Generate(t.Context(), c, targets, run)
	if err != nil || !reflect.DeepEqual(outputs, again) {
		t.Errorf("the next time it is %v, %v", again, err)
	}
}

func TestPluginsGetTheEnvironmentThatWasHandedIn(t *testing.T) {
	t.Parallel()
	c := compiled(t, map[string]string{"a.proto": message})
	dir := plugins(t, "env")
	for _, plugin := range []string{"env", filepath.Join(dir, "protoc-gen-env")} {
		outputs, err := generate.Generate(t.Context(), c, []generate.Target{{Plugin: plugin}},
			generate.Runner{Environ: []string{"PATH=nowhere", "GREETING=hello", "PATH=" + dir}})
		if err != nil || texts(outputs)["env"] != "hello" {
			t.Errorf("%s: %v, %v", plugin, outputs, err)
		}
	}
	modules := filepath.Join(c.Source.Dir, "node_modules", ".bin")
	if err := os.MkdirAll(modules, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "protoc-gen-env"), filepath.Join(modules, "protoc-gen-env")); err != nil {
		t.Fatal(err)
	}
	outputs, err := generate.Generate(t.Context(), c, []generate.Target{{Plugin: "env"}}, generate.Runner{Environ: []string{"GREETING=npm"}})
	if err != nil || texts(outputs)["env"] != "npm" {
		t.Errorf("of node_modules: %v, %v", outputs, err)
	}
}

func TestWhatPluginsDoWrong(t *testing.T) {
	t.Parallel()
	c := compiled(t, map[string]string{"a.proto": message, "sub/file": ""})
	names := []string{"hang", "crash", "panic", "junk", "error", "outside", "absolute", "twice", "old", "nameless", "insert", "echo", "parts"}
	dir := plugins(t, names...)
	path := func(name string) string { return filepath.Join(dir, "protoc-gen-"+name) }
	for _, test := range []struct {
		plugin string
		want   string
	}{
		{"hang", "generate with hang: " + path("hang") + " did not end within 2s and was killed\n  thinking"},
		{"crash", "generate with crash: " + path("crash") + " ended with exit code 3\n  out of\n  cheese [31m"},
		{"panic", "panic: no way"},
		{"junk", "generate with junk: " + path("junk") + ` printed what is no answer of a plugin: "usage: protoc-gen-junk FILE"`},
		{"error", "generate with error: a.proto: I do not like it"},
		{"outside", `generate with outside: the plugin wants to write "../outside.txt", which is no path below its folder`},
		{"absolute", `generate with absolute: the plugin wants to write "/outside.txt", which is no path below its folder`},
		{"twice", "generate with twice: two files would be one.txt; give their .proto files other names, or other folders"},
		{"old", "generate with old: a.proto has an optional field of proto3, which this plugin does not support; use a newer one"},
		{"nameless", "generate with nameless: the plugin's first file has no name"},
		{"insert", "generate with insert: it adds to parts.txt, which no plugin before it has made"},
		{"missing", "generate with missing: no plugin protoc-gen-missing: not a tool of go.mod, not in node_modules/.bin, not on PATH"},
		{"python", "generate with python: code for python is made by protoc itself, which is not on PATH; install it (Debian: protobuf-compiler), or a plugin protoc-gen-python"},
		{"./gone", "generate with ./gone: no plugin at " + filepath.Join(c.Source.Dir, "gone") + ": no such file or directory"},
		{"./sub/file", "generate with ./sub/file: no plugin at " + filepath.Join(c.Source.Dir, "sub", "file") + ": permission denied"},
		{"go", "generate with go: no go.mod in "},
	} {
		t.Run(test.plugin, func(t *testing.T) {
			t.Parallel()
			outputs, err := generate.Generate(t.Context(), c, []generate.Target{{Plugin: test.plugin}},
				generate.Runner{Environ: []string{"PATH=" + dir}, Timeout: timeout(test.plugin)})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, %v\nwant %s", outputs, err, test.want)
			}
		})
	}
	for _, test := range []struct {
		targets []generate.Target
		want    string
	}{
		{[]generate.Target{{Plugin: "echo"}, {Plugin: "echo"}}, "two files would be"},
		{[]generate.Target{{Plugin: "echo", Out: "../x"}}, `generate with echo: the folder "../x" leads out of ` + c.Source.Dir},
		{[]generate.Target{{Plugin: "echo", Only: []string{"b.proto"}}}, `generate with echo: "b.proto" is not a file of the source`},
		{[]generate.Target{{Plugin: "parts"}, {Plugin: "insert"}}, `generate with insert: parts.txt has no insertion point "nowhere"`},
		{[]generate.Target{{Plugin: "parts"}, {Plugin: path("parts")}}, "parts.txt is made by parts too; give one of them another folder"},
	} {
		_, err := generate.Generate(t.Context(), c, test.targets, generate.Runner{Environ: []string{"PATH=" + dir, "POINT=nowhere"}})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("got %v\nwant %s", err, test.want)
		}
	}
}

func timeout(plugin string) time.Duration {
	if plugin == "hang" {
		return 2 * time.Second
	}
	return 0
}

func TestAnInterruptEndsThePlugin(t *testing.T) {
	t.Parallel()
	c := compiled(t, map[string]string{"a.proto": message})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := generate.Generate(ctx, c, []generate.Target{{Plugin: "hang"}}, generate.Runner{Environ: []string{"PATH=" + plugins(t, "hang")}})
	if err == nil || !strings.Contains(err.Error(), "was interrupted") {
		t.Errorf("got %v", err)
	}
}

func TestPartsAndInsertionPoints(t *testing.T) {
	t.Parallel()
	c := compiled(t, map[string]string{"a.proto": message})
	outputs, err := generate.Generate(t.Context(), c, []generate.Target{{Plugin: "parts"}, {Plugin: "insert"}},
		generate.Runner{Environ: []string{"PATH=" + plugins(t, "parts", "insert"), "POINT=here"}})
	want := "one\n  a\n  b\n  c\n  // @@protoc_insertion_point(here)\ntwo\n"
	if err != nil || texts(outputs)["parts.txt"] != want {
		t.Errorf("got %q, %v, want %q", texts(outputs), err, want)
	}
}

func TestEditionsNeedAPluginThatKnowsThem(t *testing.T) {
	t.Parallel()
	c := compiled(t, map[string]string{"a.proto": `edition = "2023"; message M { string s = 1; }`})
	run := generate.Runner{Environ: []string{"PATH=" + plugins(t, "old", "echo")}}
	if _, err := generate.Generate(t.Context(), c, []generate.Target{{Plugin: "echo"}}, run); err != nil {
		t.Error(err)
	}
	_, err := generate.Generate(t.Context(), c, []generate.Target{{Plugin: "old"}}, run)
	if err == nil || !strings.Contains(err.Error(), "a.proto has an edition, which this plugin does not support") {
		t.Errorf("got %v", err)
	}
}

// goRunner has the go command, and a plugin that is taken for one of Go's.
func goRunner(t *testing.T, notes *[]string) generate.Runner {
	t.Helper()
	program, err := exec.LookPath("go")
	if err != nil {
		t.Skip("go is not on PATH")
	}
	path := plugins(t, "go-echo") + string(filepath.ListSeparator) + filepath.Dir(program)
	return generate.Runner{
		Environ: append(os.Environ(), "PATH="+path, "GOWORK=off"),
		Note:    func(text string) { *notes = append(*notes, text) },
	}
}

func TestGoPackageIsNoTrap(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name      string
		module    string
		path      string // of the .proto file
		goPackage string
		pkg       string // of protobuf
		out       string
		options   []string
		more      map[string]string
		want      string // the M option's value
		note      string
	}{
		{name: "in the module", goPackage: "example.com/m/gen/hello;hellopb", want: "example.com/m/gen/hello;hellopb"},
		{name: "in the module, without a name", goPackage: "example.com/m/gen/hello-v1", want: "example.com/m/gen/hello-v1;hello_v1"},
		{name: "the module itself", goPackage: "example.com/m", want: "example.com/m;m"},
		{name: "missing", path: "proto/hello/v1/a.proto", pkg: "hello.v1", want: "example.com/m/proto/hello/v1;hellov1",
			note: `hello/v1/a.proto has no go_package: its Go code is package hellov1, imported as "example.com/m/proto/hello/v1"`},
		{name: "missing, without a package", path: "proto/type/a.proto", want: "example.com/m/proto/type;typepb", note: "typepb"},
		{name: "missing, at the top", path: "a.proto", want: "example.com/m;m", note: `imported as "example.com/m"`},
		{name: "the course's", path: "proto/panda.proto", goPackage: "./Message", want: "example.com/m/proto/Message;Message",
			note: `go_package "./Message" of panda.proto: its Go code is package Message, imported as "example.com/m/proto/Message"`},
		{name: "beside, named", path: "proto/a.proto", goPackage: ".;hello", want: "example.com/m/proto;hello", note: "package hello"},
		{name: "beside, slash", path: "proto/a.proto", goPackage: "./;hello", want: "example.com/m/proto;hello", note: "package hello"},
		{name: "above", path: "proto/x/a.proto", goPackage: "../y", want: "example.com/m/proto/y;y", note: "package y"},
		{name: "only a name", path: "proto/a.proto", goPackage: ";hello", want: "example.com/m/proto;hello", note: "package hello"},
		{name: "bare", path: "proto/a.proto", goPackage: "hello", want: "example.com/m/proto;hello", note: "package hello"},
		{name: "from the root", path: "proto/a.proto", goPackage: "/proto", want: "example.com/m/proto;proto", note: "package proto"},
		{name: "foreign", path: "proto/a.proto", goPackage: "github.com/other/repo/hellopb", want: "example.com/m/proto;hellopb", note: "package hellopb"},
		{name: "foreign, with the same beginning", path: "proto/a.proto", goPackage: "example.com/m2/x", want: "example.com/m/proto;x", note: "package x"},
		{name: "beside Go code", path: "a.proto", goPackage: "", more: map[string]string{"main.go": "package main"}, want: "example.com/m;main", note: "package main"},
		{name: "out", path: "proto/x/a.proto", goPackage: "example.com/m/gen/x", out: "gen", want: "example.com/m/gen/x;x"},
		{name: "out against go_package", path: "proto/x/a.proto", goPackage: "example.com/m/y", out: "gen", want: "example.com/m/gen/x;y", note: "imported as"},
		{name: "source_relative", path: "proto/x/a.proto", goPackage: "foreign/z", options: []string{"paths=source_relative", "other=1"}, want: "example.com/m/x;z", note: "imported as"},
		{name: "by option", path: "proto/x/a.proto", goPackage: "./no", options: []string{"Mx/a.proto=example.com/m/yes"}, want: "example.com/m/yes;yes"},
		{name: "a module without a dot", module: "day2", path: "a.proto", want: "day2/.;day2", note: `imported as "day2"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			path := test.path
			if path == "" {
				path = "proto/a.proto"
			}
			module := test.module
			if module == "" {
				module = "example.com/m"
			}
			files := map[string]string{"go.mod": "module " + module + "\n\ngo 1.25\n", path: protoFile(test.pkg, test.goPackage)}
			maps.Copy(files, test.more)
			c := compiled(t, files)
			var notes []string
			outputs, err := generate.Generate(t.Context(), c, []generate.Target{{Plugin: "go-echo", Out: test.out, Options: test.options}}, goRunner(t, &notes))
			if err != nil {
				t.Fatal(err)
			}
			parameters := strings.Split(strings.Split(texts(outputs)["all.go-echo"], "\n")[0], ",")
			if want := "M" + c.Files[0].Path() + "=" + test.want; !slices.Contains(parameters, want) || !slices.Contains(parameters, "module="+module) {
				t.Errorf("the plugin is given %q, want %q", parameters, want)
			}
			switch {
			case test.note == "" && len(notes) > 0:
				t.Errorf("notes %q, want none", notes)
			case test.note != "" && (len(notes) != 1 || !strings.Contains(notes[0], test.note)):
				t.Errorf("notes %q, want %q", notes, test.note)
			}
		})
	}
}

func protoFile(pkg, goPackage string) string {
	text := empty
	if pkg != "" {
		text += "package " + pkg + ";\n"
	}
	if goPackage != "" {
		text += fmt.Sprintf("option go_package = %q;\n", goPackage)
	}
	return text + "message M {}\n"
}

func TestGoPackagesThatCannotBe(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		files map[string]string
		want  string
	}{
		{map[string]string{"a.proto": protoFile("", "../../x")}, `go_package "../../x" of a.proto leads out of the module example.com/m`},
		{map[string]string{"a.proto": protoFile("", "x;not-a-name")}, `"not-a-name" cannot be the name of a Go package`},
		{map[string]string{"熊猫/a.proto": protoFile("", "")}, `no Go package can be imported from the folder "熊猫"`},
		{map[string]string{"a.proto": protoFile("", ";one"), "b.proto": empty + `option go_package = ";two";`}, "a.proto and b.proto go to one folder"},
	} {
		files := map[string]string{"go.mod": "module example.com/m\n"}
		maps.Copy(files, test.files)
		var notes []string
		_, err := generate.Generate(t.Context(), compiled(t, files), []generate.Target{{Plugin: "go-echo"}}, goRunner(t, &notes))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("got %v, want %q", err, test.want)
		}
	}
}
