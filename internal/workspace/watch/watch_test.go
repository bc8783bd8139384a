package watch_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pandakit/panda/internal/workspace/watch"
)

// scene is a folder that is watched.
type scene struct {
	t       *testing.T
	root    string
	watcher *watch.Watcher
}

func newScene(t *testing.T, folders ...string) *scene {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w, err := watch.New(func(name string) bool { return name == "vendor" }, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	s := &scene{t, root, w}
	watched := []string{root}
	for _, folder := range folders {
		s.mkdir(folder)
		watched = append(watched, filepath.Join(root, folder))
	}
	if added, err := w.Add(watched); err != nil || !slices.Equal(added, watched) {
		t.Fatalf("Add = %q, %v", added, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		w.Close()
	})
	return s
}

func (s *scene) mkdir(name string) {
	s.t.Helper()
	if err := os.MkdirAll(filepath.Join(s.root, name), 0o750); err != nil {
		s.t.Fatal(err)
	}
}

func (s *scene) write(name string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.root, name), []byte("x"), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// await wants batches that tell of the paths, and of no others, until all have been told.
func (s *scene) await(want ...string) {
	s.t.Helper()
	missing := slices.Clone(want)
	timeout := time.NewTimer(30 * time.Second)
	defer timeout.Stop()
	for len(missing) > 0 {
		select {
		case b := <-s.watcher.Batches():
			for _, path := range b.Paths {
				relative := strings.TrimPrefix(path, s.root+string(filepath.Separator))
				if !slices.Contains(want, filepath.ToSlash(relative)) {
					s.t.Errorf("told of %s, want only %q", relative, want)
				}
				missing = slices.DeleteFunc(missing, func(m string) bool { return m == filepath.ToSlash(relative) })
			}
		case <-timeout.C:
			s.t.Fatalf("not told of %q", missing)
		}
	}
}

func TestWatchTellsWhatIsSaved(t *testing.T) {
	t.Parallel()
	s := newScene(t, "a", "notwatched")
	s.write("a/main.go")
	s.await("a/main.go")
	s.write("a/main.go~") // editors' own
	s.write("a/.main.go.swp")
	s.write("a/#main.go#")
	s.write("a/other.go.tmp")
	if err := os.Rename(filepath.Join(s.root, "a/other.go.tmp"), filepath.Join(s.root, "a/other.go")); err != nil {
		t.Fatal(err)
	}
	s.await("a/other.go")
	if err := os.Remove(filepath.Join(s.root, "a/other.go")); err != nil {
		t.Fatal(err)
	}
	s.await("a/other.go")
}

func TestWatchFollowsNewFolders(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.mkdir("new/below")
	s.mkdir("vendor/below")
	s.write("vendor/below/v.go")
	s.write("new/below/main.go")
	s.await("new/below/main.go")
	s.write("new/below/later.go")
	s.await("new/below/later.go")
	if err := os.RemoveAll(filepath.Join(s.root, "new", "below")); err != nil {
		t.Fatal(err)
	}
	s.await("new/below/main.go", "new/below/later.go", "new/below")
	s.mkdir("new/below")
	s.write("new/below/again.go")
	s.await("new/below/again.go")
}

func TestAddIsBounded(t *testing.T) {
	t.Parallel()
	w, err := watch.New(func(string) bool { return false }, func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	root := t.TempDir()
	var folders []string
	for n := range watch.MaxFolders + 1 {
		folder := filepath.Join(root, strings.Repeat("x", n%100+1), time.Duration(n).String())
		if err := os.MkdirAll(folder, 0o750); err != nil {
			t.Fatal(err)
		}
		folders = append(folders, folder)
	}
	added, err := w.Add(append([]string{filepath.Join(root, "gone")}, folders...))
	limit, ok := errors.AsType[*watch.LimitError](err)
	if !ok || len(added) != watch.MaxFolders || limit.Folder != folders[watch.MaxFolders] {
		t.Errorf("%d were added, error %v; want %d and a *LimitError", len(added), err, watch.MaxFolders)
	}
	text := (&watch.LimitError{Folder: "x", Count: 7, Err: syscall.ENOSPC}).Error()
	if !strings.Contains(text, "after 7") || !strings.Contains(text, "fs.inotify.max_user_watches") {
		t.Errorf("the system's limit is told as %q", text)
	}
}
