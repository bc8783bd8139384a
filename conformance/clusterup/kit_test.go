package clusterup_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pandakit/panda/conformance/dockerd"
	"github.com/pandakit/panda/conformance/realconsul"
	"github.com/pandakit/panda/internal/cluster"
	"github.com/pandakit/panda/internal/netns"
)

func TestMain(m *testing.M) {
	code := m.Run()
	dockerd.Stop()
	if err := goleak.Find(); err != nil && code == 0 {
		println(err.Error())
		code = 1
	}
	os.Exit(code)
}

// start starts a cluster, which is gone when the test ends.
func start(t *testing.T, cfg cluster.Config) *cluster.Cluster {
	t.Helper()
	binary, err := realconsul.Binary(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cfg.Binary, cfg.Environ = binary, os.Environ()
	cfg.Folder = filepath.Join(t.TempDir(), "cluster")
	cfg.Observe = func(node, what string) { t.Logf("%s %s %s", time.Now().Format("05.000"), node, what) }
	c, err := cluster.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// newLab makes hosts for a cluster, which are gone when the test ends.
func newLab(t *testing.T, name, subnet string, hosts ...string) *netns.Lab {
	t.Helper()
	if err := netns.Supported(); err != nil {
		t.Skip("SKIPPED:", err)
	}
	if left, err := netns.Open(t.Context(), name); err == nil {
		if err := left.Close(); err != nil {
			t.Fatal(err)
		}
	}
	lab, err := netns.New(t.Context(), name, netip.MustParsePrefix(subnet), hosts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lab.Close(); err != nil {
			t.Error(err)
		}
	})
	return lab
}
