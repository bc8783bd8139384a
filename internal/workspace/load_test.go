//go:build unix

package workspace_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/pandakit/panda/internal/workspace"
)

// lay writes an archive below a new folder and returns the folder, free of symbolic links.
func lay(t *testing.T, archive string) string {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range txtar.Parse([]byte(archive)).Files {
		path := filepath.Join(root, filepath.FromSlash(file.Name))
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, file.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// source is a service's main package.
func source(folder, name string) string {
	return fmt.Sprintf("-- %s/main.go --\npackage main\n\nimport \"github.com/pandakit/panda\"\n\nfunc main() { panda.NewService(%q) }\n", folder, name)
}

const shop = "-- go.mod --\nmodule example.com/shop\n\ngo 1.26\n"

func load(t *testing.T, root string, folders ...string) (*workspace.Workspace, error) {
	t.Helper()
	var given []workspace.Folder
	for _, folder := range folders {
		given = append(given, workspace.Folder{Path: filepath.Join(root, folder), Shown: folder})
	}
	return workspace.Load(t.Context(), given, os.Environ())
}

func describe(root string, w *workspace.Workspace) []string {
	var lines []string
	for _, s := range w.Services {
		relative, _ := filepath.Rel(root, s.Dir)
		lines = append(lines, fmt.Sprintf("%s %s ×%d", s.Name, filepath.ToSlash(relative), s.Replicas))
	}
	return lines
}

func TestLoad(t *testing.T) {
	t.Parallel()
	client := "-- client/main.go --\npackage main\n\nfunc main() {}\n"
	services := shop + source("hello", "hello") + source("web", "web") + client
	for _, test := range []struct {
		name, archive string
		folders, want []string
	}{
		{"found only", services, []string{"."}, []string{"hello hello ×1", "web web ×1"}},
		{"one folder", services, []string{"web"}, []string{"web web ×1"}},
		{"folders that overlap", services, []string{"web", ".", "hello"}, []string{"web web ×1", "hello hello ×1"}},
		{
			"named beside found", services + "-- panda.yaml --\nservices:\n  web: {replicas: 3}\n",
			[]string{"."},
			[]string{"web web ×3", "hello hello ×1"},
		},
		{
			"named by path, waiting, and no service", services + "-- panda.yaml --\nservices:\n" +
				"  front: {path: web, after: [fill, hello]}\n  fill: {path: ./client, oneshot: true}\n",
			[]string{"."},
			[]string{"fill client ×1", "hello hello ×1", "front web ×1"},
		},
		{
			"one program, two services", services + "-- panda.yaml --\nservices:\n  a: {path: web}\n  b: {path: web}\n",
			[]string{"."},
			[]string{"a web ×1", "b web ×1", "hello hello ×1"},
		},
		{
			"found under one name", shop + source("v1/hello", "hello") + source("v2/hello", "hello"),
			[]string{"."},
			[]string{"v1-hello v1/hello ×1", "v2-hello v2/hello ×1"},
		},
		{"a name with odd letters", shop + source("a", "my shop/订单"), []string{"."}, []string{"my-shop-订单 a ×1"}},
		{
			"in testdata, named", services + source("testdata/x", "x") + "-- panda.yaml --\nservices: {x: {path: testdata/x}}\n",
			[]string{"."},
			[]string{"x testdata/x ×1", "hello hello ×1", "web web ×1"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			root := lay(t, test.archive)
			w, err := load(t, root, test.folders...)
			if err != nil {
				t.Fatal(err)
			}
			if got := describe(root, w); !slices.Equal(got, test.want) {
				t.Errorf("Load gives %q, want %q", got, test.want)
			}
		})
	}
}

func TestLoadTellsWhatIsWrong(t *testing.T) {
	t.Parallel()
	hello := shop + source("hello", "hello") + "-- lib/lib.go --\npackage lib\n"
	yaml := hello + "-- panda.yaml --\nservices:\n"
	for _, test := range []struct {
		name, archive, folder, want string
	}{
		{"no such folder", hello, "nowhere", "find services in nowhere: there is no such folder"},
		{"a file", hello, "go.mod", "find services in go.mod: it is not a folder"},
		{"no module", "-- x.go --\npackage x\n", ".", "find services below .: no go.mod in it, above it or below it"},
		{"no service", hello, "lib", "find services in lib: it has no main package that calls panda.NewService"},
		{"a broken panda.yaml", yaml + "  hello: {replica: 1}\n", ".", `read panda.yaml:2:11: unknown key "replica"; near: replicas`},
		{"waits for nobody", yaml + "  hello: {after: [helo]}\n", ".", `read panda.yaml:2:19: after: no service is called "helo"; near: hello`},
		{"path leads out", yaml + "  hello: {path: ../x}\n", ".", "read panda.yaml:2:17: path"},
		{"path is no program", yaml + "  hello: {path: ./lib}\n", ".", `read panda.yaml:2:17: service "hello": its folder has no main package`},
		{"unknown without path", yaml + "  helo:\n", ".", `read panda.yaml:2:3: no service "helo" is found and there is no folder ./helo; set its path`},
		{"name is taken", yaml + "  web: {path: hello}\n" + source("w", "web"), ".", `read panda.yaml:2:3: service "web": the one in `},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := load(t, lay(t, test.archive), test.folder)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Load = %v, want %s", err, test.want)
			}
		})
	}
}

func TestScale(t *testing.T) {
	t.Parallel()
	fixed := &workspace.Service{Name: "fixed", Replicas: 1, Env: map[string]string{"PANDA_ADDR": ":80"}}
	w := &workspace.Workspace{Services: []*workspace.Service{{Name: "hello", Replicas: 1}, fixed}}
	for name, test := range map[string]struct {
		replicas int
		want     string
	}{
		"helo":  {2, `no service is called "helo"; near: hello`},
		"hello": {101, "run 101 replicas of hello: want 1 to 100"},
		"fixed": {2, `run 2 replicas of fixed: its PANDA_ADDR ":80" is one port`},
	} {
		if err := w.Scale(name, test.replicas); err == nil || err.Error() != test.want {
			t.Errorf("Scale(%s, %d) = %v, want %s", name, test.replicas, err, test.want)
		}
	}
	if err := w.Scale("hello", 3); err != nil || w.Instances() != 4 || !slices.Equal(w.Labels(), []string{"hello-1", "hello-2", "hello-3", "fixed"}) {
		t.Errorf("after Scale the labels are %q, %v", w.Labels(), err)
	}
}
