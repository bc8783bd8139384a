package conformance_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/pandakit/panda/conformance/realconsul"
	"github.com/pandakit/panda/internal/agent"
)

// TestSnapshotCommand drives Consul's own command against our agent, and holds that ours does not restore what Consul has saved.
func TestSnapshotCommand(t *testing.T) {
	path, err := realconsul.Binary(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	consul := func(address string, args ...string) (string, error) {
		command := exec.CommandContext(t.Context(), path, args...)
		command.Env = []string{"CONSUL_HTTP_ADDR=" + address, "PATH=/usr/bin:/bin", "HOME=" + t.TempDir(), "TMPDIR=" + t.TempDir()}
		output, err := command.CombinedOutput()
		return string(output), err
	}
	a, err := agent.New(agent.Config{HTTPAddr: "127.0.0.1:0", Node: "ours", DataDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := a.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	theirAgent := realconsul.Start(t, realconsul.Options{})
	ours, theirs := filepath.Join(t.TempDir(), "ours.snap"), filepath.Join(t.TempDir(), "theirs.snap")
	for _, c := range []struct {
		address string
		args    []string
		want    string
		fails   bool
	}{
		{a.Addr().String(), []string{"snapshot", "save", ours}, "Saved and verified snapshot to index", false},
		{a.Addr().String(), []string{"snapshot", "inspect", "-kvdetails", ours}, "Register", false},
		{a.Addr().String(), []string{"snapshot", "restore", ours}, "Restored snapshot", false},
		{theirAgent.Address(), []string{"snapshot", "save", theirs}, "Saved and verified snapshot", false},
		{a.Addr().String(), []string{"snapshot", "restore", theirs}, "this is a snapshot of Consul itself", true},
	} {
		output, err := consul(c.address, c.args...)
		if (err != nil) != c.fails || !strings.Contains(output, c.want) {
			t.Errorf("%v: %v\n%s", c.args, err, output)
		}
	}
}
