package cluster_test

import (
	"context"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/pandakit/panda/conformance/drill"
	"github.com/pandakit/panda/internal/netns"
)

var update = flag.Bool("update", false, "write docs/reference/drills.md from what the drills of this run have shown")

// The systems of this run: each is started by the first drill that needs it.
var (
	plain   = shared{name: "pdrill", subnet: netip.MustParsePrefix("10.78.0.0/24")}
	secured = shared{name: "pdrillacl", subnet: netip.MustParsePrefix("10.78.1.0/24"), secured: true}
	built   programs
)

func TestMain(m *testing.M) {
	flag.Parse()
	folder, err := os.MkdirTemp("", "panda-drills-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	built = programs{service: filepath.Join(folder, "service"), caller: filepath.Join(folder, "caller")}
	code := m.Run()
	for _, s := range []*shared{&plain, &secured} {
		if err := s.close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	if err := os.RemoveAll(folder); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	if *update {
		if err := writeTable(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// shared is a system that drills use one after the other.
type shared struct {
	name    string
	subnet  netip.Prefix
	secured bool
	system  *system
}

// get returns the system, whole. It is started anew when the drill before has left it broken.
func (s *shared) get(t *testing.T) *system {
	t.Helper()
	supported(t)
	if s.system == nil {
		build(t)
		started, err := newSystem(context.WithoutCancel(t.Context()), s.name, s.subnet, built, s.secured)
		s.system = started
		if err != nil {
			_ = s.close()
			t.Fatal(err)
		}
	}
	s.system.awaitWhole(t)
	t.Cleanup(func() {
		if t.Failed() {
			for name, i := range s.system.running() {
				t.Logf("output of instance %s:\n%s", name, i.output)
			}
			s.system.logNodes(t)
			if err := s.close(); err != nil {
				t.Error(err)
			}
			return
		}
		if err := s.system.mend(context.Background()); err != nil {
			t.Error(err)
			_ = s.close()
		}
	})
	return s.system
}

func (s *shared) close() error {
	if s.system == nil {
		return nil
	}
	defer func() { s.system = nil }()
	return s.system.close()
}

// supported skips the test where there can be no hosts, but not where CI is set and there should be.
func supported(t *testing.T) {
	t.Helper()
	err := netns.Supported()
	if err == nil {
		return
	}
	if os.Getenv("CI") != "" && os.Geteuid() == 0 {
		t.Fatalf("drills need hosts: %v", err)
	}
	t.Skip("SKIPPED:", err)
}

func build(t *testing.T) {
	t.Helper()
	for _, p := range []struct{ folder, pkg, path string }{{"../drill", "./service", built.service}, {".", "./caller", built.caller}} {
		if _, err := os.Stat(p.path); err == nil {
			continue
		}
		if err := os.Rename(drill.Build(t, p.folder, p.pkg), p.path); err != nil {
			t.Fatal(err)
		}
	}
}
