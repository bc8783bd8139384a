package config_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/pandakit/panda/internal/workspace/config"
)

func TestParseReadsEverySetting(t *testing.T) {
	t.Parallel()
	file, err := config.Parse("panda.yaml", []byte(`# who runs
services:
  hello:
    path: ./hello
    replicas: 3
    env: {LANG: zh_CN, PORT: 8080, DEBUG: true, EMPTY: ""}
    args: [-v, "2"]
    after: [migrate, db]
  migrate: {oneshot: true}
  订单:
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []config.Service{
		{
			Name: "hello", Path: "./hello", Replicas: 3,
			Env:   map[string]string{"LANG": "zh_CN", "PORT": "8080", "DEBUG": "true", "EMPTY": ""},
			Args:  []string{"-v", "2"},
			After: []config.Reference{{"migrate", config.Pos{8, 13}}, {"db", config.Pos{8, 22}}},
			Pos:   config.Pos{3, 3}, PathPos: config.Pos{4, 11},
		},
		{Name: "migrate", Replicas: 1, Oneshot: true, Pos: config.Pos{9, 3}, PathPos: config.Pos{9, 3}},
		{Name: "订单", Replicas: 1, Pos: config.Pos{10, 3}, PathPos: config.Pos{10, 3}},
	}
	if !reflect.DeepEqual(file.Services, want) {
		t.Errorf("Parse gives\n%+v\nwant\n%+v", file.Services, want)
	}
}

func TestParseOfNothingIsAFileWithoutServices(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "\n", "# only a comment\n", "services:\n", "services: {}\n", "---\n"} {
		if file, err := config.Parse("panda.yaml", []byte(text)); err != nil || len(file.Services) != 0 {
			t.Errorf("Parse(%q) = %+v, %v, want no services and no error", text, file, err)
		}
	}
}

func TestParseNamesThePlaceOfWhatIsWrong(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, text, want string }{
		{"unknown key of the file", "service:\n  a: {}\n", `1:1: unknown key "service"; near: services`},
		{"unknown key of a service", "services:\n  a:\n    replica: 3\n", `3:5: unknown key "replica"; near: replicas`},
		{"unlike any key", "services: {a: {qqq: 1}}\n", `1:16: unknown key "qqq"; known: path, replicas, env, args, after, oneshot, image, limits, secrets, drain, expose`},
		{"list of services", "services: [a, b]\n", "1:11: services is a list, want a mapping (key: value)"},
		{"file is a text", "hello\n", "1:1: the file is a text, want a mapping"},
		{"service is a text", "services:\n  a: ./a\n", "2:6: service a is a text, want a mapping"},
		{"path is a number", "services: {a: {path: 3}}\n", "1:22: path is a number, want the path of a folder"},
		{"path is empty", "services: {a: {path: }}\n", "path is empty, want the path"},
		{"replicas is a text", "services:\n  a:\n    replicas: many\n", "3:15: replicas is a text, want a number"},
		{"no replicas", "services:\n  a:\n    replicas: 0\n", "3:15: replicas is 0, want 1 to 100"},
		{"negative replicas", "services: {a: {replicas: -1}}\n", "replicas is -1, want 1 to 100"},
		{"too many replicas", "services: {a: {replicas: 101}}\n", "1:26: replicas is 101, want 1 to 100"},
		{"replicas beyond all integers", "services: {a: {replicas: 99999999999999999999}}\n", "1:26: replicas is"},
		{"env is a list", "services:\n  a:\n    env: [A=1]\n", "3:10: env is a list, want a mapping"},
		{"env value is a list", "services:\n  a:\n    env:\n      A: [1]\n", "4:10: A is a list, want a text"},
		{"env value is missing", "services:\n  a:\n    env:\n      A:\n", `A is empty, want a text ("" for an empty one)`},
		{"env name with =", "services: {a: {env: {A=B: 1}}}\n", `1:22: env: "A=B" cannot be the name of a variable`},
		{"env of panda's own", "services: {a: {env: {PANDA_INSTANCE: x}}}\n", "1:22: env: PANDA_INSTANCE is given"},
		{"args is a text", "services: {a: {args: -v}}\n", "1:22: args is a text, want a list"},
		{"after is a text", "services: {a: {after: b}}\n", "1:23: after is a text, want a list"},
		{"oneshot is a text", "services: {a: {oneshot: later}}\n", "1:25: oneshot is a text, want true or false"},
		{"one port for many", "services: {a: {replicas: 2, env: {PANDA_ADDR: \"127.0.0.1:80\"}}}\n", "is one port, which 2 replicas cannot share"},
		{"duplicate service", "services:\n  a: {}\n  b: {}\n  a: {}\n", `4:3: mapping key "a" already defined`},
		{"duplicate key", "services:\n  a:\n    path: x\n    path: y\n", `4:5: mapping key "path" already defined`},
		{"name with a slash", "services:\n  a/b: {}\n", `2:3: service name "a/b": want letters and digits`},
		{"name is a dot", "services:\n  ..: {}\n", `2:3: service name "..": want letters and digits`},
		{"name is too long", "services:\n  " + strings.Repeat("a", 64) + ": {}\n", "longer than 63 characters"},
		{"waits for itself", "services: {a: {after: [a]}}\n", "1:24: services wait for each other: a → a"},
		{"a circle", "services:\n  a: {after: [b]}\n  b: {after: [c]}\n  c: {after: [b]}\n", "4:15: services wait for each other: b → c → b"},
		{"unclosed bracket", "services:\n  a: {path: [x\n", "2:"},
		{"tab as indent", "services:\n\ta: {}\n", `2:1: found character '\t' that cannot`},
		{"bad indent", "services:\n  a:\n    path: x\n   replicas: 2\n", "4:"},
		{"alias", "services:\n  a: &x {path: ./a}\n  b: *x\n", "2:6: service a is an anchor or alias"},
		{"second document", "services: {}\n---\nservices: {}\n", "2:1: a second document"},
		{"not text", "services:\n  \xff: {}\n", "2:3: not UTF-8 text"},
		{"nested deeply", "services: " + strings.Repeat("[", 60_000), "1:27: nested deeper than 16 levels"},
		{"lists in lists", strings.Repeat("- ", 30_000), "1:33: nested deeper than 16 levels"},
		{"too large", strings.Repeat("#", config.MaxSize+1), "1:1: the file is larger than 64 KiB"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			file, err := config.Parse("x/panda.yaml", []byte(test.text))
			if err == nil {
				t.Fatalf("Parse = %+v, want an error", file)
			}
			if !strings.HasPrefix(err.Error(), "read x/panda.yaml:") || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Parse: %q, want it to hold %q", err, test.want)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("the error %q has several lines", err)
			}
		})
	}
}

func TestFolderStaysInside(t *testing.T) {
	t.Parallel()
	outside, root := t.TempDir(), t.TempDir()
	mustMkdir(t, filepath.Join(root, "hello"))
	mustMkdir(t, filepath.Join(root, "web"))
	if err := os.WriteFile(filepath.Join(root, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{"out": outside, "in": filepath.Join(root, "hello")} {
		if err := os.Symlink(target, filepath.Join(root, link)); err != nil {
			t.Skip("no symbolic links here:", err)
		}
	}
	for _, test := range []struct{ path, want, wantErr string }{
		{"./hello", "hello", ""},
		{"in", "hello", ""},
		{"", "web", ""},
		{"web/../hello", "hello", ""},
		{filepath.Join(root, "hello"), "hello", ""},
		{"..", "", "leads out of the folder of panda.yaml"},
		{outside, "", "leads out"},
		{"out", "", "leads out"},
		{"in/../../..", "", "leads out"},
		{"file", "", "is not a folder"},
		{"nowhere", "", "no such file"},
	} {
		file := &config.File{Name: "panda.yaml"}
		got, err := file.Folder(root, &config.Service{Name: "web", Path: test.path, PathPos: config.Pos{Line: 3, Column: 11}})
		if test.wantErr != "" {
			if err == nil || !strings.Contains(err.Error(), test.wantErr) || !strings.HasPrefix(err.Error(), "read panda.yaml:3:11: ") {
				t.Errorf("Folder(%q) = %q, %v, want an error at 3:11 that holds %q", test.path, got, err, test.wantErr)
			}
			continue
		}
		if want := filepath.Join(realPath(t, root), test.want); err != nil || got != want {
			t.Errorf("Folder(%q) = %q, %v, want %q", test.path, got, err, want)
		}
	}
}

func TestFolderOfAServiceWithoutPathAndFolder(t *testing.T) {
	t.Parallel()
	file := &config.File{Name: "panda.yaml"}
	_, err := file.Folder(t.TempDir(), &config.Service{Name: "web", PathPos: config.Pos{Line: 2, Column: 3}})
	if want := `read panda.yaml:2:3: no service "web" is found and there is no folder ./web; set its path`; err == nil || err.Error() != want {
		t.Errorf("Folder: %v, want %s", err, want)
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	if _, err := config.Read(folder, "shown"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Read without a file: %v, want fs.ErrNotExist", err)
	}
	if err := os.WriteFile(filepath.Join(folder, config.Name), []byte("nope: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	want := "read " + filepath.Join("shown", config.Name) + `:1:1: unknown key "nope"; known: services, proto, deploy`
	if _, err := config.Read(folder, "shown"); err == nil || err.Error() != want {
		t.Errorf("Read: %v, want %s", err, want)
	}
	if err := os.WriteFile(filepath.Join(folder, config.Name), make([]byte, 2*config.MaxSize), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Read(folder, "shown"); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("Read of a large file: %v, want that it is too large", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("services:\n  hello: {path: ./hello, replicas: 3, env: {KEY: value}, after: [db]}\n  db: {oneshot: true}\n")
	f.Add("proto: {roots: [a], exclude: [b*], generate: [{plugin: go, out: x, options: [y]}], lint: {disable: [Z]}}\n")
	f.Add("services: &a\n  <<: *a\n")
	f.Add("? [a]\n: b\n")
	f.Add("services:\n  a: !!map {}\n  b: |\n    text\n")
	f.Add("a: b: c\n\t- [}")
	f.Fuzz(func(t *testing.T, text string) {
		file, err := config.Parse("panda.yaml", []byte(text))
		if err == nil {
			checkBounds(t, file)
			return
		}
		wrong, ok := errors.AsType[*config.Error](err)
		if !ok || wrong.Pos.Line < 1 || wrong.Pos.Column < 1 || wrong.Text == "" || strings.Contains(wrong.Text, "\n") {
			t.Errorf("Parse(%q): %#v, want an *Error with a place and one line", text, err)
		}
	})
}

func checkBounds(t *testing.T, file *config.File) {
	t.Helper()
	seen := make(map[string]bool)
	for _, s := range file.Services {
		if seen[s.Name] || s.Name == "" || s.Replicas < 1 || s.Replicas > config.MaxReplicas {
			t.Errorf("service %+v is out of bounds or there twice", s)
		}
		seen[s.Name] = true
	}
}

func mustMkdir(t *testing.T, name string) {
	t.Helper()
	if err := os.Mkdir(name, 0o750); err != nil {
		t.Fatal(err)
	}
}

func realPath(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}
