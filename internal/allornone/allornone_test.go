package allornone_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pandakit/panda/internal/allornone"
)

// lay makes a tree: a file of mode 0660 and one of 0600, a folder and a symbolic link out of it where there are such.
func lay(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "old"), []byte("old"), 0o600), os.Chmod(filepath.Join(dir, "old"), 0o660),
		os.WriteFile(filepath.Join(dir, "same"), []byte("same"), 0o600),
		os.Mkdir(filepath.Join(dir, "folder"), 0o755), os.WriteFile(filepath.Join(dir, "folder", "in"), []byte("in"), 0o600)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// listing is every file and folder below dir, with modes and the content of files.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var lines strings.Builder
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(dir, name)
		lines.WriteString(info.Mode().String() + " " + filepath.ToSlash(relative))
		if entry.Type().IsRegular() {
			content, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			lines.WriteString("=" + string(content))
		}
		lines.WriteString("\n")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines.String()
}

func open(t *testing.T, dir string) *os.Root {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	return root
}

func TestWrite(t *testing.T) {
	t.Parallel()
	dir := lay(t)
	past := time.Now().Add(-time.Hour).Truncate(time.Second)
	if err := os.Chtimes(filepath.Join(dir, "same"), past, past); err != nil {
		t.Fatal(err)
	}
	files := []allornone.File{{"a/b/new", []byte("1")}, {"old", []byte("2")}, {"same", []byte("same")}, {"a/c", []byte("3")}}
	transaction := allornone.Begin(open(t, dir))
	changed, err := transaction.Write(files)
	if want := []string{"a/b/new", "old", "a/c"}; err != nil || !slices.Equal(changed, want) {
		t.Errorf("Write = %q, %v, want %q", changed, err, want)
	}
	transaction.Keep()
	transaction.Undo()
	for name, want := range map[string]string{"a/b/new": "1", "old": "2", "same": "same", "a/c": "3"} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			t.Errorf("%s is %q, %v, want %q", name, got, err, want)
		}
	}
	if there := listing(t, dir); strings.Contains(there, ".panda-") {
		t.Errorf("something is left:\n%s", there)
	}
	if info, err := os.Stat(filepath.Join(dir, "same")); err != nil || !info.ModTime().Equal(past) {
		t.Errorf("what was the same was touched at %v, %v", info.ModTime(), err)
	}
	if changed, err := transaction.Write(files); err != nil || len(changed) != 0 {
		t.Errorf("Write again = %q, %v, want nothing", changed, err)
	}
}

func TestModeIsKeptWhateverTheUmask(t *testing.T) {
	t.Parallel()
	dir := lay(t)
	before, err := os.Stat(filepath.Join(dir, "old"))
	if err != nil {
		t.Fatal(err)
	}
	transaction := allornone.Begin(open(t, dir))
	if _, err := transaction.Write([]allornone.File{{"old", []byte("new")}}); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, "old")); err != nil || info.Mode() != before.Mode() {
		t.Errorf("mode %v, %v, want %v", info.Mode(), err, before.Mode())
	}
}

// What is in the way of the last file is told with its path, and nothing of those before is left.
func TestWhatIsInTheWay(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"folder": "there is something else of that name", "old/x": "", "old/x/y": "", "../x": "path escapes from parent",
	} {
		dir := lay(t)
		before := listing(t, dir)
		transaction := allornone.Begin(open(t, dir))
		changed, err := transaction.Write([]allornone.File{{"new/deep/a", []byte("1")}, {"old", []byte("2")}, {path, []byte("3")}})
		if p, ok := errors.AsType[*fs.PathError](err); !ok || p.Path != path || !strings.Contains(p.Err.Error(), want) {
			t.Errorf("Write of %s = %q, %v, want %s", path, changed, err, want)
		}
		transaction.Undo()
		if after := listing(t, dir); after != before {
			t.Errorf("%s: there is\n%s\nwant\n%s", path, after, before)
		}
	}
}

var errBroken = errors.New("it breaks")

// breaking is a folder in which the call that changes something does so no more, or half, once left is 0.
type breaking struct {
	allornone.Folder

	left int
}

func (b *breaking) change(do func() error) error {
	if b.left--; b.left == -1 {
		return &fs.PathError{Op: "test", Path: "elsewhere", Err: errBroken}
	}
	return do()
}

func (b *breaking) Mkdir(name string, mode fs.FileMode) error {
	return b.change(func() error { return b.Folder.Mkdir(name, mode) })
}

func (b *breaking) Chmod(name string, mode fs.FileMode) error {
	return b.change(func() error { return b.Folder.Chmod(name, mode) })
}

func (b *breaking) Rename(from, to string) error {
	return b.change(func() error { return b.Folder.Rename(from, to) })
}

func (b *breaking) WriteFile(name string, content []byte, mode fs.FileMode) error {
	err := b.change(func() error { return b.Folder.WriteFile(name, content, mode) })
	if err != nil {
		_ = b.Folder.WriteFile(name, content[:1], mode) // as a full disk does
	}
	return err
}

// TestEveryFailureIsUndone breaks off at each step in turn: the file system refuses, wherever that is, and nothing is left.
func TestEveryFailureIsUndone(t *testing.T) {
	t.Parallel()
	for name, in := range map[string]func(dir string) (allornone.Folder, string){
		"root":     func(dir string) (allornone.Folder, string) { return open(t, dir), "" },
		"anywhere": func(dir string) (allornone.Folder, string) { return allornone.Anywhere{}, filepath.ToSlash(dir) + "/" },
	} {
		for steps := 0; ; steps++ {
			dir := lay(t)
			before := listing(t, dir)
			folder, prefix := in(dir)
			broken := &breaking{folder, steps}
			transaction := allornone.Begin(broken)
			_, err := transaction.Write([]allornone.File{
				{prefix + "new/deep/a", []byte("11")}, {prefix + "old", []byte("22")}, {prefix + "same", []byte("same")}, {prefix + "b", []byte("33")},
			})
			p, ok := errors.AsType[*fs.PathError](err)
			switch {
			case err == nil && steps != 9: // two folders, three files, a mode, three names; undone as after a failure of what comes next
				t.Errorf("%s: it took %d steps", name, steps)
			case err != nil && (!ok || p.Path == "elsewhere" || !errors.Is(p.Err, errBroken)):
				t.Errorf("%s: broken off at step %d: %v", name, steps, err)
			}
			broken.left = -1
			transaction.Undo()
			if after := listing(t, dir); after != before {
				t.Errorf("%s: broken off at step %d, there is\n%s\nwant\n%s", name, steps, after, before)
			}
			if err == nil {
				break
			}
		}
	}
}
