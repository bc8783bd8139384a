//go:build unix

package workspace_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/pandakit/panda/internal/workspace"
	"github.com/pandakit/panda/internal/workspace/build"
)

// more are services beside that of the stand-in: two that share a package, and one that is on its own.
const more = `
-- shared/shared.go --
package shared

const Text = "first"
-- hello/main.go --
package main

import (
	"fmt"

	"example.com/standin/shared"
	"github.com/pandakit/panda"
)

func main() {
	fmt.Println("hello says", shared.Text)
	panda.NewService("hello").Run("passing", "")
}
-- web/main.go --
package main

import (
	"fmt"

	"example.com/standin/shared"
	"github.com/pandakit/panda"
)

func main() {
	fmt.Println("web says", shared.Text)
	panda.NewService("web").Run("passing", "")
}
-- panda.yaml --
services:
  hello: {replicas: 2}
`

// atelier is a workspace of its own whose services are reloaded.
type atelier struct {
	*stage
	root string
}

func openAtelier(t *testing.T, files string, configure func(*workspace.Config, *workspace.Workspace)) *atelier {
	t.Helper()
	s := &atelier{newStage(t), lay(t, "")}
	archive, err := txtar.ParseFile(filepath.Join("testdata", "standin.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(archive.Files, txtar.Parse([]byte(files)).Files...) {
		s.save(file.Name, string(file.Data))
	}
	w, err := workspace.Load(t.Context(), []workspace.Folder{{Path: s.root, Shown: "shop"}}, os.Environ())
	if err != nil {
		t.Fatal(err)
	}
	temp := t.TempDir()
	s.config.Build = &build.Config{Starter: s.config.Starter, Environ: os.Environ(), Temp: temp, Base: s.root, Done: func(build.Result) {}}
	s.config.Reload, s.config.Since = true, time.Now()
	if configure != nil {
		configure(&s.config, w)
	}
	if s.config.Binaries, err = w.Build(t.Context(), temp, *s.config.Build); err != nil {
		t.Fatal(err)
	}
	s.begin(w)
	s.await(workspace.Ready, "")
	return s
}

// save writes a file as careful editors do: beside it, and renamed over it.
func (s *atelier) save(name, text string) {
	s.t.Helper()
	path := filepath.Join(s.root, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path+"~", []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(path+"~", path); err != nil {
		s.t.Fatal(err)
	}
}

func (s *atelier) read(name string) string {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.root, filepath.FromSlash(name)))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

// edit replaces text in a file.
func (s *atelier) edit(name, before, after string) {
	s.t.Helper()
	s.save(name, strings.Replace(s.read(name), before, after, 1))
}

func (s *atelier) says(text string) {
	s.t.Helper()
	s.until(func() bool { return strings.Contains(s.logs(), "│ "+text+"\n") })
}

func (s *atelier) replaced() []string {
	var labels []string
	for _, e := range s.seen {
		if e.Kind == workspace.Replaced {
			labels = append(labels, e.Label)
		}
	}
	slices.Sort(labels)
	return labels
}

func TestReloadReplacesWhatDependsOnAFile(t *testing.T) {
	t.Parallel()
	s := openAtelier(t, more, nil)
	s.edit("hello/main.go", "hello says", "hello now says")
	s.await(workspace.Replaced, "hello-1")
	s.await(workspace.Replaced, "hello-2")
	s.says("hello now says first")
	s.edit("shared/shared.go", "first", "second")
	for range 3 {
		s.await(workspace.Replaced, "")
	}
	s.says("hello now says second")
	s.says("web says second")
	if got := s.replaced(); !slices.Equal(got, []string{"hello-1", "hello-1", "hello-2", "hello-2", "web"}) {
		t.Errorf("replaced were %q", got)
	}
	s.save("shared/shared_test.go", "package shared\n") // no part of any program
	s.save("hello/main.go", s.read("hello/main.go"))
	if e := s.await(workspace.Unchanged, ""); fmt.Sprint(e.Names) != "[hello]" {
		t.Errorf("unchanged are %q, want hello", e.Names)
	}
	s.save("panda.yaml", "services: {}\n")
	if e := s.await(workspace.Unapplied, ""); !strings.Contains(e.Reason, "start it again") {
		t.Errorf("of panda.yaml it is told %q", e.Reason)
	}
	if err := s.end(); err != nil {
		t.Errorf("Run = %v", err)
	}
	s.allGone(s.pids(1))
	for _, e := range s.seen {
		if e.Kind == workspace.Failing || e.Kind == workspace.Crashed || e.Kind == workspace.Kept || e.Kind == workspace.Broken {
			t.Errorf("told: %+v", e)
		}
	}
	s.onlyCurrent(4)
}

// onlyCurrent wants no more executables to be left than services have.
func (s *atelier) onlyCurrent(services int) {
	s.t.Helper()
	left := 0
	err := filepath.WalkDir(s.config.Build.Temp, func(_ string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			left++
		}
		return err
	})
	if err != nil || left > services {
		s.t.Errorf("%d executables are left, %v; want at most %d", left, err, services)
	}
}

func TestReloadKeepsWhatServesWhenItDoesNotCompile(t *testing.T) {
	t.Parallel()
	s := openAtelier(t, more, nil)
	before := s.serving("web")
	s.edit("web/main.go", "shared.Text", "shared.Nothing")
	e := s.await(workspace.Broken, "")
	if want := "web does not compile:\nweb/main.go:11:33: undefined: shared.Nothing"; e.Err == nil || e.Err.Error() != want {
		t.Errorf("told is %q, want %q", e.Err, want)
	}
	s.edit("web/main.go", "func main() {", "func main() { ") // as broken as before: that is not told twice
	s.await(workspace.Changed, "")
	if now := s.serving("web"); fmt.Sprint(now) != fmt.Sprint(before) || !dialable(now["web-1"]) {
		t.Errorf("%v serve, want %v as before", now, before)
	}
	s.edit("web/main.go", "shared.Nothing", `shared.Text + " again"`)
	s.await(workspace.Replaced, "web")
	s.says("web says first again")
	broken := 0
	for _, e := range s.seen {
		if e.Kind == workspace.Broken {
			broken++
		}
	}
	if broken != 1 {
		t.Errorf("it is told %d times that it does not compile, want once", broken)
	}
}

// A package that is written after the import of it, in a folder that nothing imported before.
func TestReloadFindsANewPackage(t *testing.T) {
	t.Parallel()
	s := openAtelier(t, more, nil)
	s.save("web/main.go", strings.NewReplacer("standin/shared", "standin/internal/fresh", "shared.", "fresh.").Replace(s.read("web/main.go")))
	s.await(workspace.Broken, "")
	s.save("internal/fresh/fresh.go", "package fresh\n\nconst Text = \"fresh\"\n")
	s.await(workspace.Replaced, "web")
	s.says("web says fresh")
	s.edit("internal/fresh/fresh.go", `"fresh"`, `"fresher"`)
	s.await(workspace.Replaced, "web")
	s.says("web says fresher")
}

func TestReloadLeavesACrashAside(t *testing.T) {
	t.Parallel()
	s := openAtelier(t, more, nil)
	before := s.serving("web")
	s.edit("web/main.go", "func main() {", "func main() {\n\tpanic(1)")
	if e := s.await(workspace.Kept, "web"); e.Err == nil || !strings.Contains(e.Err.Error(), "exit code 2") {
		t.Errorf("not replaced because of %v", e.Err)
	}
	if now := s.serving("web"); fmt.Sprint(now) != fmt.Sprint(before) || !dialable(now["web-1"]) {
		t.Errorf("%v serve, want %v as before", now, before)
	}
	s.edit("web/main.go", "\n\tpanic(1)", "\n\tprintln()")
	s.await(workspace.Replaced, "web")
	s.onlyCurrent(4 + 1) // that of the one before, which may drain
}

// What is saved between the build and the first look at the files is not lost.
func TestReloadTakesUpWhatWasSavedEarly(t *testing.T) {
	t.Parallel()
	s := openAtelier(t, more, func(c *workspace.Config, _ *workspace.Workspace) { c.Since = time.Now().Add(-time.Hour) })
	s.await(workspace.Unchanged, "") // everything is newer, and the same
}

func TestReloadGeneratesFirst(t *testing.T) {
	t.Parallel()
	var s *atelier
	problem := errors.New("api/api.proto:1:1: syntax error")
	var calls [][]string
	s = openAtelier(t, more+"-- api/api.proto --\nok\n", func(c *workspace.Config, _ *workspace.Workspace) {
		c.Generate = func(_ context.Context, files []string) error {
			calls = append(calls, files)
			if strings.Contains(s.read("api/api.proto"), "broken") {
				return problem
			}
			s.save("shared/shared.go", "package shared\n\nconst Text = \"generated\"\n")
			return nil
		}
	})
	s.save("api/api.proto", "broken\n")
	if e := s.await(workspace.Broken, ""); !errors.Is(e.Err, problem) {
		t.Errorf("told is %v, want %v", e.Err, problem)
	}
	s.save("api/api.proto", "new\n")
	s.await(workspace.Replaced, "web")
	s.says("web says generated")
	if err := s.end(); err != nil {
		t.Errorf("Run = %v", err)
	}
	want := fmt.Sprint([]string{filepath.Join(s.root, "api", "api.proto")})
	if len(calls) != 2 || fmt.Sprint(calls[0]) != want || fmt.Sprint(calls[1]) != want {
		t.Errorf("generated were %q, want the file twice", calls)
	}
}

func TestReloadLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	s := openAtelier(t, more+"-- panda.yaml --\nservices: {once: {path: ./once, oneshot: true}}\n-- once/main.go --\npackage main\n\nfunc main() {}\n", nil)
	s.edit("once/main.go", "main() {}", "main() { println() }")
	if e := s.await(workspace.Unapplied, ""); !strings.Contains(e.Reason, "panda restart once") {
		t.Errorf("of the one-shot program it is told %q", e.Reason)
	}
	if err := s.runner.Stop(t.Context(), []string{"web"}); err != nil {
		t.Fatal(err)
	}
	s.edit("web/main.go", "web says", "web really says")
	s.edit("hello/main.go", "hello says", "hello really says")
	s.await(workspace.Replaced, "hello")
	if now := s.serving("web"); len(now) != 0 {
		t.Errorf("a stopped service is started: %v", now)
	}
	if err := s.runner.Restart(t.Context(), []string{"web"}); err != nil {
		t.Fatal(err)
	}
	s.says("web really says first")
}

func TestRestartTellsWhatDoesNotCompile(t *testing.T) {
	t.Parallel()
	s := openAtelier(t, more, func(c *workspace.Config, _ *workspace.Workspace) { c.Reload = false })
	s.edit("web/main.go", "shared.Text", "shared.Text +")
	err := s.runner.Restart(t.Context(), []string{"web", "hello"})
	failed, ok := errors.AsType[*build.Error](err)
	if !ok || len(failed.Failures) != 1 || failed.Failures[0].Names[0] != "web" {
		t.Errorf("Restart = %v, want that web does not compile", err)
	}
	s.edit("web/main.go", "shared.Text +", `shared.Text + "!"`)
	if err := s.runner.Restart(t.Context(), []string{"web"}); err != nil {
		t.Fatal(err)
	}
	s.says("web says first!")
}
