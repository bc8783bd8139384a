package find_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/pandakit/panda/internal/workspace/find"
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

// found lists programs as "folder=service", or "folder" for one that is no service.
func found(t *testing.T, root string, programs []find.Program) []string {
	t.Helper()
	var got []string
	for _, p := range programs {
		relative, err := filepath.Rel(root, p.Dir)
		if err != nil {
			t.Fatal(err)
		}
		text := filepath.ToSlash(relative)
		if p.Service != "" {
			text += "=" + p.Service
		}
		got = append(got, text)
	}
	return got
}

const workspace = `
-- go.mod --
module example.com/shop

go 1.26
-- hello/main.go --
package main

import "github.com/pandakit/panda"

func main() { panda.NewService("greeter").Run() }
-- alias/main.go --
package main

import kit "github.com/pandakit/panda"

func main() { kit.NewService("aliased") }
-- dot/main.go --
package main

import . "github.com/pandakit/panda"

func main() { NewService("dotted") }
-- constant/main.go --
package main

import "github.com/pandakit/panda"

func main() { panda.NewService(name) }
-- constant/name.go --
package main

const name = "constant-name"
-- computed/main.go --
package main

import ("os"; "github.com/pandakit/panda")

func main() { panda.NewService(os.Args[1]) }
-- value/main.go --
package main

import "github.com/pandakit/panda"

func main() { new := panda.NewService; new("x") }
-- through/main.go --
package main

import "example.com/shop/internal/server"

func main() { server.Run() }
-- internal/server/server.go --
package server

import "example.com/shop/internal/deeper"

func Run() { deeper.Run() }
-- internal/deeper/deeper.go --
package deeper

import "github.com/pandakit/panda"

func Run() { panda.NewService("deep") }
-- client/main.go --
package main

import "github.com/pandakit/panda"

func main() { panda.Dial("greeter") }
-- other/main.go --
package main

import "example.com/other/panda"

func main() { panda.NewService("not ours") }
-- comment/main.go --
package main

// panda.NewService("x") is what github.com/pandakit/panda has
func main() { println("panda.NewService") }
-- tests/main.go --
package main

func main() {}
-- tests/main_test.go --
package main

import "github.com/pandakit/panda"

func init() { panda.NewService("test") }
-- elsewhere/main_plan9.go --
package main

import "github.com/pandakit/panda"

func main() { panda.NewService("plan9") }
-- broken/main.go --
package main

import "github.com/pandakit/panda"

func main() { panda.NewService("broken") ; if {
-- brokenimport/main.go --
package main

import github.com/pandakit/panda"

func main() { panda.NewService("brokenimport") }
-- vendor/modules.txt --
-- vendor/example.com/v/main.go --
package main

import "github.com/pandakit/panda"

func main() { panda.NewService("vendored") }
-- testdata/s/main.go --
package main

import "github.com/pandakit/panda"

func main() { panda.NewService("testdata") }
-- .hidden/go.mod --
module hidden
-- .hidden/main.go --
package main

import "github.com/pandakit/panda"

func main() { panda.NewService("hidden") }
-- node_modules/s/main.go --
package main

import "github.com/pandakit/panda"

func main() { panda.NewService("node") }
-- examples/go.mod --
module example.com/shop/examples

go 1.26
-- examples/web/main.go --
package main

import "github.com/pandakit/panda"

func main() { panda.NewService("web") }
`

func TestProgramsTellsServicesFromOthers(t *testing.T) {
	t.Parallel()
	root := lay(t, workspace)
	programs, err := find.Programs(t.Context(), root, os.Environ())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"alias=aliased", "broken=broken", "brokenimport=brokenimport", "client", "comment", "computed=computed",
		"constant=constant-name", "dot=dotted", "examples/web=web", "hello=greeter", "other", "tests", "through=deep", "value=value",
	}
	if got := found(t, root, programs); !slices.Equal(got, want) {
		t.Errorf("Programs finds\n%q\nwant\n%q", got, want)
	}
	for _, p := range programs {
		want := root
		if strings.HasSuffix(p.Dir, "web") {
			want = filepath.Join(root, "examples")
		}
		if p.Module.Dir != want || p.Module.Env != nil {
			t.Errorf("module of %s is %+v, want %s and no more", p.Dir, p.Module, want)
		}
	}
}

func TestProgramsBelowAFolderOfAModule(t *testing.T) {
	t.Parallel()
	root := lay(t, workspace)
	for folder, want := range map[string][]string{
		"hello":      {"hello=greeter"},
		"through":    {"through=deep"},
		"client":     {"client"},
		"internal":   nil,
		"examples":   {"examples/web=web"},
		"testdata/s": {"testdata/s=testdata"},
	} {
		programs, err := find.Programs(t.Context(), filepath.Join(root, folder), os.Environ())
		if err != nil {
			t.Errorf("Programs of %s: %v", folder, err)
		}
		if got := found(t, root, programs); !slices.Equal(got, want) {
			t.Errorf("Programs of %s finds %q, want %q", folder, got, want)
		}
	}
}

func TestProgramsRespectsGoWork(t *testing.T) {
	t.Parallel()
	module := "-- %[1]s/go.mod --\nmodule example.com/%[1]s\n\ngo 1.26\n-- %[1]s/main.go --\npackage main\n\n" +
		"import \"github.com/pandakit/panda\"\n\nfunc main() { panda.NewService(\"%[1]s\") }\n"
	root := lay(t, "-- go.work --\ngo 1.26\n\nuse ./used\n"+fmt.Sprintf(module, "used")+fmt.Sprintf(module, "unused"))
	programs, err := find.Programs(t.Context(), root, os.Environ())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := found(t, root, programs), []string{"unused=unused", "used=used"}; !slices.Equal(got, want) {
		t.Fatalf("Programs finds %q, want %q", got, want)
	}
	if got := programs[0].Module.Env; !slices.Equal(got, []string{"GOWORK=off"}) {
		t.Errorf("a module that go.work does not use is run with %q, want GOWORK=off", got)
	}
	if got := programs[1].Module.Env; got != nil {
		t.Errorf("a module that go.work uses is run with %q, want nothing added", got)
	}
}

func TestProgramsWithoutAModule(t *testing.T) {
	t.Parallel()
	_, err := find.Programs(t.Context(), t.TempDir(), os.Environ())
	if _, ok := errors.AsType[*find.NoModuleError](err); !ok {
		t.Errorf("Programs = %v, want a *NoModuleError", err)
	}
}

func TestProgramsTellsWhatTheGoCommandSays(t *testing.T) {
	t.Parallel()
	root := lay(t, "-- go.mod --\nmodule example.com/x\n\nnonsense\n")
	_, err := find.Programs(t.Context(), root, os.Environ())
	if err == nil || !strings.Contains(err.Error(), "go.mod:3: unknown directive: nonsense") {
		t.Errorf("Programs = %v, want go.mod:3 named", err)
	}
}

func TestProgramsStopsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := find.Programs(ctx, lay(t, workspace), os.Environ()); !errors.Is(err, context.Canceled) {
		t.Errorf("Programs = %v, want context.Canceled", err)
	}
}
