package consulbuild_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/pandakit/panda/internal/consulbuild"
)

// behavior names the variable that makes the test binary play the go command, and the Consul that it builds.
const behavior = "CONSULBUILD_TEST_GO"

func TestMain(m *testing.M) {
	if how := os.Getenv(behavior); how != "" {
		os.Exit(playGo(how))
	}
	goleak.VerifyTestMain(m)
}

// playGo does what the go command would, as told by how.
func playGo(how string) int {
	switch os.Args[1] {
	case "version": // of the built Consul
		if how == "another version" {
			fmt.Println("Consul v1.13.0")
		} else {
			fmt.Println("Consul v" + consulbuild.Version)
		}
		return 0
	case "get":
		fmt.Fprintln(os.Stderr, "go: downloading github.com/hashicorp/consul v1.12.9\ngo: downloading golang.org/x/net v0.62.0")
		return fetch(how)
	case "build":
		fmt.Fprintln(os.Stderr, "golang.org/x/net/http2\ngithub.com/hashicorp/consul/agent\ngithub.com/hashicorp/consul")
		if how == "disk full" {
			fmt.Fprintln(os.Stderr, "write $WORK/b001/exe/a.out: no space left on device")
			return 1
		}
		return copySelf(os.Args[slices.Index(os.Args, "-o")+1])
	}
	return 0
}

func fetch(how string) int {
	switch how {
	case "offline":
		fmt.Fprintln(os.Stderr, "go: github.com/hashicorp/consul@v1.12.9: Get \"https://proxy/…\": dial tcp: lookup proxy: no such host")
		return 1
	case "broken":
		fmt.Fprintln(os.Stderr, "go: errors parsing go.mod: something nobody has seen")
		return 1
	case "hang":
		fmt.Println() // so that a line tells the test that it is here
		_, _ = io.Copy(io.Discard, os.Stdin)
		select {}
	}
	return 0
}

func copySelf(to string) int {
	self, err := os.Executable()
	if err != nil {
		return 1
	}
	content, err := os.ReadFile(self)
	if err != nil || os.WriteFile(to, content, 0o755) != nil {
		return 1
	}
	return 0
}

func config(t *testing.T, how string) consulbuild.Config {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return consulbuild.Config{Folder: filepath.Join(t.TempDir(), "consul"), Go: self, Environ: append(os.Environ(), behavior+"="+how)}
}

// left lists what is in the folder, the lock aside.
func left(t *testing.T, folder string) []string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if e.Name() != "lock" {
			names = append(names, e.Name())
		}
	}
	return names
}

func TestInstall(t *testing.T) {
	cfg := config(t, "well")
	var told []consulbuild.Progress
	cfg.Observe = func(p consulbuild.Progress) { told = append(told, p) }
	path, err := consulbuild.Install(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		t.Errorf("%s: %v", path, err)
	}
	want := []consulbuild.Progress{
		{Stage: consulbuild.Fetching}, {Stage: consulbuild.Fetching, Count: 1}, {Stage: consulbuild.Fetching, Count: 2},
		{Stage: consulbuild.Compiling}, {Stage: consulbuild.Compiling, Count: 1}, {Stage: consulbuild.Compiling, Count: 2}, {Stage: consulbuild.Compiling, Count: 3},
	}
	if !slices.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
	if names := left(t, cfg.Folder); len(names) != 1 {
		t.Errorf("the folder has %q", names)
	}
	cfg.Go = "no go is needed any more"
	if again, err := consulbuild.Install(t.Context(), cfg); err != nil || again != path {
		t.Errorf("the second time: %q, %v", again, err)
	}
}

func TestInstallTellsWhyItFailed(t *testing.T) {
	for how, want := range map[string]struct {
		reason consulbuild.Reason
		text   string
	}{
		"offline":         {consulbuild.Offline, "no such host"},
		"disk full":       {consulbuild.DiskFull, "no space left on device"},
		"broken":          {consulbuild.Unknown, "something nobody has seen"},
		"another version": {consulbuild.Unknown, "Consul v1.13.0"},
	} {
		t.Run(how, func(t *testing.T) {
			cfg := config(t, how)
			_, err := consulbuild.Install(t.Context(), cfg)
			failed, ok := errors.AsType[*consulbuild.Error](err)
			if !ok || failed.Reason != want.reason || !strings.Contains(err.Error(), want.text) {
				t.Errorf("got %v", err)
			}
			if names := left(t, cfg.Folder); len(names) > 0 {
				t.Errorf("it left %q", names)
			}
		})
	}
}

func TestInstallWithoutGo(t *testing.T) {
	cfg := config(t, "well")
	cfg.Go = filepath.Join(t.TempDir(), "go")
	_, err := consulbuild.Install(t.Context(), cfg)
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a path without a program: %v", err)
	}
	cfg.Go = ""
	t.Setenv("PATH", t.TempDir())
	_, err = consulbuild.Install(t.Context(), cfg)
	if failed, ok := errors.AsType[*consulbuild.Error](err); !ok || failed.Reason != consulbuild.NoGo {
		t.Errorf("got %v", err)
	}
}

func TestInterruptLeavesNothing(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a process is killed there, which the test of the stand-in cannot tell from a crash")
	}
	cfg := config(t, "hang")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cfg.Observe = func(p consulbuild.Progress) {
		if p.Count == 2 {
			cancel()
		}
	}
	if _, err := consulbuild.Install(ctx, cfg); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "interrupted") {
		t.Errorf("got %v", err)
	}
	if names := left(t, cfg.Folder); len(names) > 0 {
		t.Errorf("it left %q", names)
	}
}

func TestSeveralAtOnceBuildOnce(t *testing.T) {
	cfg := config(t, "well")
	var built atomic.Int32
	cfg.Observe = func(p consulbuild.Progress) {
		if p == (consulbuild.Progress{Stage: consulbuild.Compiling}) {
			built.Add(1)
		}
	}
	var calls sync.WaitGroup
	for range 5 {
		calls.Go(func() {
			if _, err := consulbuild.Install(t.Context(), cfg); err != nil {
				t.Error(err)
			}
		})
	}
	calls.Wait()
	if built.Load() != 1 {
		t.Errorf("built %d times", built.Load())
	}
}

// One that waits for another is interrupted by itself, and the other goes on.
func TestInterruptWhileWaiting(t *testing.T) {
	cfg := config(t, "well")
	waiting := cfg
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	waiting.Observe = func(p consulbuild.Progress) {
		if p.Stage == consulbuild.Waiting {
			cancel()
		}
	}
	cfg.Observe = func(p consulbuild.Progress) {
		if p == (consulbuild.Progress{Stage: consulbuild.Fetching}) {
			if _, err := consulbuild.Install(ctx, waiting); !errors.Is(err, context.Canceled) {
				t.Errorf("the waiting one: %v", err)
			}
		}
	}
	if _, err := consulbuild.Install(t.Context(), cfg); err != nil {
		t.Error(err)
	}
}

func TestLeftoversOfAKilledBuildAreRemoved(t *testing.T) {
	cfg := config(t, "well")
	if err := os.MkdirAll(filepath.Join(cfg.Folder, "build-123", "half"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := consulbuild.Install(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if names := left(t, cfg.Folder); len(names) != 1 {
		t.Errorf("the folder has %q", names)
	}
}
