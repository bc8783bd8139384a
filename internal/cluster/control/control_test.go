package control

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/pandakit/panda/internal/processid"
)

// role is the variable that makes this test binary wait for the end of its input.
const role = "CONTROL_TEST_WAITS"

func TestMain(m *testing.M) {
	if os.Getenv(role) != "" {
		_, _ = io.Copy(io.Discard, os.Stdin)
		return
	}
	goleak.VerifyTestMain(m)
}

func TestClaimIsForOne(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "run", "cluster")
	if _, err := Connect(folder); !errors.Is(err, ErrNone) {
		t.Errorf("Connect without a cluster = %v, want ErrNone", err)
	}
	claimed, err := Claim(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	running, ok := errors.AsType[*RunningError](claimError(t, folder))
	if !ok || running.PID != os.Getpid() {
		t.Errorf("a second Claim = %v, want a RunningError", running)
	}
	client, err := Connect(folder)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Do(t.Context(), Request{Act: "heal"}); err == nil {
		t.Error("a cluster that is being started did something")
	}
	claimed.Release()
	if _, err := os.Stat(folder); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the released folder is left: %v", err)
	}
}

func claimError(t *testing.T, folder string) error {
	t.Helper()
	_, err := Claim(t.Context(), folder)
	return err
}

// TestStaleIsCleaned claims for a process that has ended, with a node that has not.
func TestStaleIsCleaned(t *testing.T) {
	t.Parallel()
	folder, data := filepath.Join(t.TempDir(), "cluster"), t.TempDir()
	node := exec.Command(os.Args[0])
	node.Env = append(os.Environ(), role+"=yes")
	if _, err := node.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	claimed, err := Claim(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	err = claimed.Update(func(d *Description) {
		d.Started, d.Data, d.OwnData = "long ago", data, true // the ID is another's by now
		d.Nodes = []processid.ID{processid.Of(node.Process.Pid), {PID: os.Getpid(), Started: "long ago"}}
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Connect(folder); !errors.Is(err, ErrStale) {
		t.Errorf("Connect = %v, want ErrStale", err)
	}
	if left, err := Clean(t.Context(), folder); !left || err != nil {
		t.Errorf("Clean = %v, %v", left, err)
	}
	if err := node.Wait(); err == nil {
		t.Error("the node ended by itself")
	}
	for _, path := range []string{data, folder} {
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left", path)
		}
	}
	if left, err := Clean(t.Context(), folder); left || err != nil {
		t.Errorf("a second Clean = %v, %v", left, err)
	}
}

func TestOpenFolderIsRefused(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "open")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(folder, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := Claim(t.Context(), folder); err == nil {
		t.Error("a folder that others may write to was claimed")
	}
}
