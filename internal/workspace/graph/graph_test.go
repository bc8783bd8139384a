package graph_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/pandakit/panda/internal/workspace/graph"
)

const workspace = `
-- shop/go.mod --
module example.com/shop

go 1.26

require example.com/near v0.0.0

replace example.com/near => ../near
-- shop/hello/main.go --
package main

import (
	_ "embed"

	_ "example.com/near/deep"
	_ "example.com/shop/internal/both"
)

//go:embed pages/index.html
var page string

func main() {}
-- shop/hello/pages/index.html --
-- shop/web/main.go --
package main

import (
	_ "example.com/shop/internal/both"
	_ "example.com/shop/internal/web"
)

func main() {}
-- shop/internal/both/both.go --
package both

import _ "fmt"
-- shop/internal/both/both_test.go --
package both
-- shop/internal/web/web.go --
package web
-- shop/internal/nobody/nobody.go --
package nobody
-- shop/broken/main.go --
package main

import _ "example.com/shop/internal/missing"

func main() {
-- near/go.mod --
module example.com/near

go 1.26
-- near/deep/deep.go --
package deep
`

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

func read(t *testing.T) (root string, g *graph.Graph) {
	t.Helper()
	root = lay(t, workspace)
	var programs []graph.Program
	for _, name := range []string{"hello", "web", "broken"} {
		programs = append(programs, graph.Program{Name: name, Dir: filepath.Join(root, "shop", name), Module: filepath.Join(root, "shop")})
	}
	g, err := graph.Read(t.Context(), programs, append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off"))
	if err != nil {
		t.Fatal(err)
	}
	return root, g
}

func TestAffected(t *testing.T) {
	t.Parallel()
	root, g := read(t)
	for path, want := range map[string]string{
		"shop/hello/main.go":              "hello",
		"shop/hello/new.go":               "hello",
		"shop/hello/pages/index.html":     "hello",
		"shop/hello/pages/new.html":       "hello", // the build tells whether it is embedded
		"shop/web/main.go":                "web",
		"shop/web/notes.txt":              "",
		"shop/internal/both/both.go":      "hello web",
		"shop/internal/both/both_test.go": "",
		"shop/internal/web/web.go":        "web",
		"shop/internal/web/asm.s":         "web",
		"shop/internal/nobody/nobody.go":  "unknown",
		"shop/internal/missing/new.go":    "unknown",
		"shop/broken/main.go":             "broken",
		"shop/go.mod":                     "broken hello web",
		"shop/go.sum":                     "broken hello web",
		"near/deep/deep.go":               "hello",
		"near/go.mod":                     "hello",
		"elsewhere/go.mod":                "",
	} {
		programs, known := g.Affected(filepath.Join(root, filepath.FromSlash(path)))
		got := strings.Join(programs, " ")
		if !known {
			got = "unknown"
		}
		if got != want {
			t.Errorf("%s affects %q, want %q", path, got, want)
		}
	}
}

func TestFolders(t *testing.T) {
	t.Parallel()
	root, g := read(t)
	var got []string
	for _, folder := range g.Folders() {
		relative, err := filepath.Rel(root, folder)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, filepath.ToSlash(relative))
	}
	want := []string{
		"near", "near/deep", "shop", "shop/broken", "shop/hello", "shop/hello/pages",
		"shop/internal", "shop/internal/both", "shop/internal/web", "shop/web",
	}
	if !slices.Equal(got, want) {
		t.Errorf("to be watched are %q, want %q", got, want)
	}
}

func TestNewer(t *testing.T) {
	t.Parallel()
	root := lay(t, "-- a/old.go --\n-- a/new.go --\n-- a/below/new.go --\n")
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(root, "a", "old.go"), old, old); err != nil {
		t.Fatal(err)
	}
	got := graph.Newer([]string{filepath.Join(root, "a"), filepath.Join(root, "gone")}, old.Add(time.Minute))
	if want := []string{filepath.Join(root, "a", "new.go")}; !slices.Equal(got, want) {
		t.Errorf("newer are %q, want %q", got, want)
	}
}

func TestProtos(t *testing.T) {
	t.Parallel()
	root := lay(t, "-- api/v1/a.proto --\n-- vendor/v.proto --\n-- .hidden/h.proto --\n-- x/testdata/t.proto --\n-- y/y.go --\n")
	want := []string{root, filepath.Join(root, "api"), filepath.Join(root, "api", "v1")}
	if got := graph.Protos([]string{root}, 100); !slices.Equal(got, want) {
		t.Errorf("folders with .proto files are %q, want %q", got, want)
	}
}

func TestReadStopsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	root := lay(t, workspace)
	program := graph.Program{Name: "web", Dir: filepath.Join(root, "shop", "web"), Module: filepath.Join(root, "shop")}
	if _, err := graph.Read(ctx, []graph.Program{program}, os.Environ()); err == nil {
		t.Error("it reads on")
	}
}

func TestReadTellsWhatTheGoCommandSays(t *testing.T) {
	t.Parallel()
	root := lay(t, "-- go.mod --\nnonsense\n-- a/main.go --\npackage main\n")
	program := graph.Program{Name: "a", Dir: filepath.Join(root, "a"), Module: root}
	if _, err := graph.Read(t.Context(), []graph.Program{program}, os.Environ()); err == nil || !strings.Contains(err.Error(), "go.mod:1: unknown directive: nonsense") {
		t.Errorf("Read = %v, want go.mod:1 named", err)
	}
}
