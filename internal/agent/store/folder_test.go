package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

func mustOpenFolder(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir, silent)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestFolder holds that a folder is made for its owner alone, keeps the node's ID and what was written, and serves one
// agent at a time.
func TestFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	s := mustOpenFolder(t, dir)
	if err := write(s.catalog, 1); err != nil {
		t.Fatal(err)
	}
	_, err := Open(dir, silent)
	if err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "process "+strconv.Itoa(os.Getpid())) {
		t.Errorf("a second agent: %v", err)
	}
	id := s.NodeID()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = mustOpenFolder(t, dir)
	if s.NodeID() != id || nodes(s.catalog)["last"] != "1" {
		t.Errorf("ID %q became %q; %v is there", id, s.NodeID(), nodes(s.catalog))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS == "windows" {
		return // no such modes
	}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if want := map[bool]fs.FileMode{true: 0o700, false: 0o600}[d.IsDir()]; err == nil && info.Mode().Perm() != want {
			t.Errorf("%s has mode %o, want %o", path, info.Mode().Perm(), want)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestFolderIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		make func(dir string) error
		want string
	}{
		"Consul's": {func(dir string) error { return os.Mkdir(filepath.Join(dir, "raft"), 0o700) }, "belongs to a real Consul"},
		"a wrong node ID": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, nodeIDName), []byte("not one"), 0o600)
		}, "not a UUID"},
		"damage": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, journalName(1)), []byte(strings.Repeat("x", 100)), 0o600)
		}, journalName(1) + " is damaged"},
	} {
		dir := t.TempDir()
		if err := c.make(dir); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the lock is let go
			s, err := Open(dir, silent)
			if err == nil {
				err = errors.Join(errors.New("it is opened"), s.Close())
			}
			if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), dir) {
				t.Errorf("%s: %v, want %q", name, err, c.want)
			}
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(filepath.Join(file, "data"), silent); err == nil || !strings.Contains(err.Error(), "make data dir") {
		t.Errorf("below a file: %v", err)
	}
}

// TestGrowth holds that journals are followed by snapshots, so that the folder does not grow with the number of writes.
func TestGrowth(t *testing.T) {
	d := newMemDisk(1)
	s := mustOpen(t, d)
	for i := 1; i <= 3000; i++ {
		if err := write(s.catalog, i); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, d) // removes what a snapshot cut short by Close has left
	if got := lastWrite(t, s.catalog); got != 3000 {
		t.Errorf("write %d is the last", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	lastOf(t, d, "snapshot")
	if names, _ := d.List(); len(names) > 12 {
		t.Errorf("%d files are left: %q", len(names), names)
	}
}
