//go:build unix

package workspace_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/pandakit/panda/internal/process"
	"github.com/pandakit/panda/internal/workspace"
	"github.com/pandakit/panda/internal/workspace/build"
)

// compile builds plain main packages, a service each, and returns the folder of the executables.
func compile(ctx context.Context, t *testing.T, root string, services ...*workspace.Service) (string, workspace.Binaries, error) {
	t.Helper()
	starter := process.NewStarter()
	t.Cleanup(starter.Close)
	temp := t.TempDir()
	var mu sync.Mutex
	told := 0
	w := &workspace.Workspace{Services: services}
	binaries, err := w.Build(ctx, temp, build.Config{
		Starter: starter, Environ: os.Environ(), Temp: temp, Base: root,
		Done: func(build.Result) {
			mu.Lock()
			defer mu.Unlock()
			told++
		},
	})
	if ctx.Err() == nil && told == 0 {
		t.Error("nothing was told as built")
	}
	return temp, binaries, err
}

func plain(root, folder, name string) *workspace.Service {
	s := &workspace.Service{Name: name, Dir: filepath.Join(root, folder), Replicas: 1}
	s.Module.Dir = filepath.Join(root, "mod")
	return s
}

func TestBuild(t *testing.T) {
	t.Parallel()
	root := lay(t, "-- mod/go.mod --\nmodule example.com/m\n\ngo 1.26\n-- mod/a/main.go --\npackage main\n\nfunc main() { println(\"a runs\") }\n")
	_, binaries, err := compile(t.Context(), t, root, plain(root, "mod/a", "a"), plain(root, "mod/a", "again"))
	if err != nil {
		t.Fatal(err)
	}
	if binaries["a"] != binaries["again"] {
		t.Errorf("one program was built twice: %v", binaries)
	}
	if out, err := exec.CommandContext(t.Context(), binaries["a"]).CombinedOutput(); err != nil || string(out) != "a runs\n" {
		t.Errorf("running it gives %q, %v", out, err)
	}
}

func TestBuildTellsEveryFailureAtOnce(t *testing.T) {
	t.Parallel()
	root := lay(t, `
-- mod/go.mod --
module example.com/m

go 1.26
-- mod/good/main.go --
package main

func main() {}
-- mod/bad/main.go --
package main

func main() { undefined1() }
-- mod/shared/shared.go --
package shared

var X int = "text"
-- mod/one/main.go --
package main

import _ "example.com/m/shared"

func main() {}
-- mod/two/main.go --
package main

import _ "example.com/m/shared"

func main() {}
`)
	temp, _, err := compile(t.Context(), t, root, plain(root, "mod/good", "good"), plain(root, "mod/bad", "bad"),
		plain(root, "mod/one", "one"), plain(root, "mod/two", "two"))
	failed, ok := errors.AsType[*build.Error](err)
	if !ok {
		t.Fatalf("Build = %v, want a *build.Error", err)
	}
	var got []string
	for _, f := range failed.Failures {
		got = append(got, f.Error())
	}
	want := []string{
		"bad does not compile:\nmod/bad/main.go:3:15: undefined: undefined1",
		"one, two does not compile:\nmod/shared/shared.go:3:13: cannot use \"text\" (untyped string constant) as int value in variable declaration",
	}
	if !slices.Equal(got, want) {
		t.Errorf("failures are %q, want %q", got, want)
	}
	if text := "build: 3 of 4 services do not compile"; err.Error() != text {
		t.Errorf("the error is %q, want %q", err, text)
	}
	for _, name := range []string{"bad", "one", "two"} {
		if _, err := os.Stat(filepath.Join(temp, name)); err == nil {
			t.Errorf("%s was left behind", name)
		}
	}
}

func TestBuildStopsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	root := lay(t, "-- mod/go.mod --\nmodule example.com/m\n-- mod/a/main.go --\npackage main\n\nfunc main() {}\n")
	if _, _, err := compile(ctx, t, root, plain(root, "mod/a", "a")); !errors.Is(err, context.Canceled) {
		t.Errorf("Build = %v, want context.Canceled", err)
	}
}
