package build_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pandakit/panda/internal/process"
	"github.com/pandakit/panda/internal/workspace/build"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// program writes a module of one main package and returns its target.
func program(t *testing.T, text string) (build.Target, build.Config) {
	t.Helper()
	root := t.TempDir()
	for name, content := range map[string]string{"go.mod": "module example.com/m\n\ngo 1.26\n", "main.go": text} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	starter := process.NewStarter()
	t.Cleanup(starter.Close)
	temp := t.TempDir()
	return build.Target{Name: "x", Dir: root, Module: root, Output: filepath.Join(temp, "x")},
		build.Config{Starter: starter, Environ: os.Environ(), Temp: temp, Base: root, Done: func(build.Result) {}}
}

func TestAnErrorWithoutAPlaceKeepsItsHeader(t *testing.T) {
	t.Parallel()
	target, cfg := program(t, "package main\n")
	err := build.All(t.Context(), []build.Target{target}, cfg)
	want := "# example.com/m\nruntime.main_main·f: function main is undeclared in the main package"
	failed, ok := errors.AsType[*build.Error](err)
	if !ok || len(failed.Failures) != 1 || failed.Failures[0].Text != want {
		t.Errorf("All = %+v, want one failure of the text %q", err, want)
	}
}

func TestAnErrorOfTheGoCommandItselfIsShown(t *testing.T) {
	t.Parallel()
	target, cfg := program(t, "package main\n\nimport _ \"example.com/nowhere\"\n\nfunc main() {}\n")
	err := build.All(t.Context(), []build.Target{target}, cfg)
	failed, ok := errors.AsType[*build.Error](err)
	if want := "main.go:3:8: no required module provides package example.com/nowhere"; !ok || !strings.Contains(failed.Failures[0].Text, want) {
		t.Errorf("All = %v, want a failure with %q", err, want)
	}
}

func TestABuildIsCutOff(t *testing.T) {
	t.Parallel()
	target, cfg := program(t, "package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println() }\n")
	cfg.Environ = append(cfg.Environ, "GOCACHE="+t.TempDir()) // so that the standard library is compiled first
	cfg.Done = func(r build.Result) { t.Errorf("told as built: %+v", r) }
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- build.All(ctx, []build.Target{target}, cfg) }()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for working := false; !working; <-tick.C {
		entries, err := os.ReadDir(cfg.Temp)
		if err != nil {
			t.Error(err)
		}
		working = len(entries) > 0
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("All = %v, want context.Canceled", err)
	}
	if err := os.RemoveAll(cfg.Temp); err != nil {
		t.Errorf("something still writes: %v", err)
	}
}

// What only debuggers read is in a program when one is to come, and when GOFLAGS sets other flags of the linker.
func TestWhatDebuggersReadIsLeftOut(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		debug bool
		flags string
		want  bool
	}{
		"plain":         {false, "", false},
		"for debugging": {true, "", true},
		"GOFLAGS":       {false, "-ldflags=-X=main.version=1.2.3", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target, cfg := program(t, "package main\n\nvar version string\n\nfunc main() { println(version) }\n")
			target.Debug = c.debug
			cfg.Environ = append(cfg.Environ, "GOFLAGS="+c.flags)
			if err := build.All(t.Context(), []build.Target{target}, cfg); err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(target.Output)
			if err != nil {
				t.Fatal(err)
			}
			if got := bytes.Contains(text, []byte("debug_info")); got != c.want {
				t.Errorf("it has what debuggers read: %v, want %v", got, c.want)
			}
			if c.flags != "" && !bytes.Contains(text, []byte("1.2.3")) {
				t.Error("the flags of GOFLAGS are lost")
			}
		})
	}
}
