package up

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

func TestFoldersOfKilledOnesAreRemoved(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	ended := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	folder := func(name string) string {
		path := filepath.Join(parent, name)
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		return path
	}
	left := folder(folderPrefix + strconv.Itoa(ended.Process.Pid) + "-1")
	kept := []string{folder(folderPrefix + strconv.Itoa(os.Getpid()) + "-1"), folder("other-1-1"), folder(folderPrefix + "x-1")}
	made, err := newFolder(parent)
	if err != nil {
		t.Fatal(err)
	}
	if exists(t, left) {
		t.Errorf("%s of a process that has ended is still there", left)
	}
	for _, path := range append(kept, made) {
		if !exists(t, path) {
			t.Errorf("%s is gone", path)
		}
	}
	if pid, ok := madeBy(made); !ok || pid != os.Getpid() {
		t.Errorf("%s is of process %d, %v", made, pid, ok)
	}
}

func exists(t *testing.T, path string) bool {
	t.Helper()
	_, err := os.Stat(path)
	return err == nil
}
