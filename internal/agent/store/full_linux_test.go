package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestFullTmpfs fills a real, small disk: the write that finds no room is refused by the name of the file, and there are
// writes again once there is room.
func TestFullTmpfs(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root may mount a small disk; TestFullDisk does without")
	}
	mount := t.TempDir()
	if err := syscall.Mount("tmpfs", mount, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("no small disk can be mounted here (%v); TestFullDisk does without", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(mount, syscall.MNT_DETACH) })
	ballast := filepath.Join(mount, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 128<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(mount, "data")
	s := mustOpenFolder(t, dir)
	done := 0
	var err error
	for err == nil && done < 10_000 {
		if err = write(s.catalog, done+1); err == nil {
			done++
		}
	}
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), filepath.Join(dir, journalName(1))) {
		t.Fatalf("after %d writes: %v", done, err)
	}
	if got := lastWrite(t, s.catalog); got != done {
		t.Errorf("write %d is visible, %d were acknowledged", got, done)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(write(s.catalog, done+1), s.Settle(t.Context(), s.catalog.View().Index()), s.Close()); err != nil {
		t.Fatal(err)
	}
	s = mustOpenFolder(t, dir)
	if got := lastWrite(t, s.catalog); got != done+1 {
		t.Errorf("write %d is the last after a restart, want %d", got, done+1)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
