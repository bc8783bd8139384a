package generate_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pandakit/panda/internal/protobuild/generate"
)

// listing is every file and folder below dir, with the content of files.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(name string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(dir, name)
		b.WriteString(filepath.ToSlash(relative))
		if entry.Type().IsRegular() {
			content, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			b.WriteString("=" + string(content))
		}
		b.WriteString("\n")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestWriteTouchesOnlyWhatDiffers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "same"), "same")
	write(t, filepath.Join(dir, "old"), "old")
	past := time.Now().Add(-time.Hour).Truncate(time.Second)
	if err := os.Chtimes(filepath.Join(dir, "same"), past, past); err != nil {
		t.Fatal(err)
	}
	outputs := []generate.Output{{"a/b/new", []byte("1")}, {"a/c", []byte("2")}, {"old", []byte("3")}, {"same", []byte("same")}}
	stale, err := generate.Stale(dir, outputs)
	if want := []string{"a/b/new", "a/c", "old"}; err != nil || !slices.Equal(stale, want) {
		t.Errorf("stale: %q, %v, want %q", stale, err, want)
	}
	changed, err := generate.Write(dir, outputs)
	if err != nil || !slices.Equal(changed, stale) {
		t.Errorf("changed: %q, %v, want %q", changed, err, stale)
	}
	if got, want := listing(t, dir), ".\na\na/b\na/b/new=1\na/c=2\nold=3\nsame=same\n"; got != want {
		t.Errorf("there is\n%s\nwant\n%s", got, want)
	}
	info, err := os.Stat(filepath.Join(dir, "same"))
	if err != nil || !info.ModTime().Equal(past) {
		t.Errorf("the file that is the same was touched at %v, %v", info.ModTime(), err)
	}
	if stale, err := generate.Stale(dir, outputs); err != nil || len(stale) != 0 {
		t.Errorf("stale after writing: %q, %v", stale, err)
	}
	if changed, err := generate.Write(dir, outputs); err != nil || len(changed) != 0 {
		t.Errorf("changed by writing again: %q, %v", changed, err)
	}
}

func TestWriteLeavesNothingHalfDone(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	for _, test := range []struct {
		path, want string
	}{
		{"file/x", "file/x: "},
		{"folder", "there is something else of that name"},
		{"link/x", "escapes"},
		{"../x", "escapes"},
	} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "file"), "f")
		write(t, filepath.Join(dir, "old"), "old")
		write(t, filepath.Join(dir, "folder", "in"), "i")
		if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
			t.Skip("no symbolic links here:", err)
		}
		before := listing(t, dir)
		changed, err := generate.Write(dir, []generate.Output{{"new/deep/a", []byte("1")}, {"old", []byte("2")}, {test.path, []byte("3")}})
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "write "+filepath.Dir(dir)) {
			t.Errorf("%s: %q, %v, want %q", test.path, changed, err, test.want)
		}
		if after := listing(t, dir); after != before {
			t.Errorf("%s: there is\n%s\nwant\n%s", test.path, after, before)
		}
	}
	if _, err := generate.Write(filepath.Join(outside, "gone"), nil); err == nil {
		t.Error("a folder that is not there is written to")
	}
}

func TestWriteKeepsTheModeOfAFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "tool")
	write(t, name, "old")
	if err := os.Chmod(name, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := generate.Write(dir, []generate.Output{{"tool", []byte("new")}}); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}
