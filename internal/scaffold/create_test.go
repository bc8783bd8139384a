package scaffold

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pandakit/panda/internal/allornone"
)

// listing is all files and folders below a folder, a line each.
func listing(t *testing.T, root string) string {
	t.Helper()
	var b strings.Builder
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			fmt.Fprintln(&b, name)
			return err
		}
		content, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		fmt.Fprintf(&b, "%s %q\n", name, content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func offline(t *testing.T) Tools {
	t.Helper()
	goCommand, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	return Tools{Go: goCommand, Environ: append(os.Environ(), "GOPROXY=off")}
}

func planned(t *testing.T, root string, r Request) *Plan {
	t.Helper()
	panda, err := FindPanda("")
	if err != nil {
		t.Fatal(err)
	}
	r.Dir, r.Panda, r.Language = root, panda, English
	p, err := NewPlan(r)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// However it fails, all is as it was, folders included.
func TestFailedCreateLeavesNothing(t *testing.T) {
	t.Parallel()
	root := lay(t, "-- go.mod --\nmodule example.com/shop\n\ngo 1.26\n-- panda.yaml --\n# mine\n-- x/main.go --\nmine\n-- x/y --\n")
	before := listing(t, root)
	failure := errors.New("the generator fails")
	for _, c := range []struct {
		what  string
		path  string
		tools func(cancel func()) Tools
		want  error
	}{
		{"a generator that fails", "a/b/rpc.srv", func(func()) Tools {
			tools := offline(t)
			tools.Generate = func(context.Context, string, string, []string) error { return failure }
			return tools
		}, failure},
		{"a generator that makes what does not compile", "a/b/rpc.srv", func(func()) Tools {
			tools := offline(t)
			tools.Generate = func(_ context.Context, module, root string, _ []string) error {
				return os.WriteFile(filepath.Join(module, filepath.FromSlash(root), "rpc", "v1", "x.go"), []byte("package rpcv1\n\nvar x = y\n"), 0o600)
			}
			return tools
		}, nil},
		{"an interrupt", "a/b/rpc.srv", func(cancel func()) Tools {
			tools := offline(t)
			tools.Generate = func(ctx context.Context, _, _ string, _ []string) error {
				cancel()
				return ctx.Err()
			}
			return tools
		}, context.Canceled},
		{"a go command that is none", "a/rpc.srv", func(func()) Tools { return Tools{Go: filepath.Join(root, "nowhere")} }, fs.ErrNotExist},
		{"files in the way", "x", func(func()) Tools { return offline(t) }, allornone.ErrExists},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		result, err := planned(t, root, Request{Path: c.path, Type: Srv}).Create(ctx, c.tools(cancel))
		cancel()
		if err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, %v, want %v", c.what, result, err, c.want)
		}
		if after := listing(t, root); after != before {
			t.Errorf("%s: it left\n%s\nof\n%s", c.what, after, before)
		}
	}
}

// What was replaced is put back when a later file cannot be written.
func TestTransactionTakesBack(t *testing.T) {
	t.Parallel()
	root := lay(t, "-- there/a --\nold\n-- there/folder/x --\n-- go.mod --\nold\n")
	before := listing(t, root)
	for _, c := range []struct {
		folder  string
		project []File
		outside []File
	}{
		{"there", []File{{"a", []byte("new")}, {"b/c", nil}, {"folder", nil}}, nil},
		{"new/below", []File{{"a", []byte("new")}}, []File{{filepath.Join(root, "go.mod"), []byte("new")}, {filepath.Join(root, "there", "folder"), nil}}},
	} {
		transaction, err := begin(filepath.Join(root, filepath.FromSlash(c.folder)))
		if err != nil {
			t.Fatal(err)
		}
		if err := transaction.write(c.project, c.outside); err == nil || !strings.Contains(err.Error(), "folder") {
			t.Errorf("%s: %v, want an error that names the folder", c.folder, err)
		}
		transaction.Undo()
		if after := listing(t, root); after != before {
			t.Errorf("%s: it left\n%s\nof\n%s", c.folder, after, before)
		}
	}
}

// A released version is required as it is, and its go.sum is that of the module cache.
func TestReleasedVersion(t *testing.T) {
	t.Parallel()
	proxy := t.TempDir()
	const at = "github.com/pandakit/panda/@v/v0.9.0"
	for name, text := range map[string]string{
		".info": `{"Version":"v0.9.0"}`, ".mod": "module " + pandaPath + "\n",
	} {
		file := filepath.Join(proxy, filepath.FromSlash(at)) + name
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.Create(filepath.Join(proxy, filepath.FromSlash(at)) + ".zip")
	if err != nil {
		t.Fatal(err)
	}
	archive := zip.NewWriter(file)
	for name, text := range map[string]string{"go.mod": "module " + pandaPath + "\n", "go.sum": "the sums\n"} {
		w, err := archive.Create(pandaPath + "@v0.9.0/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(archive.Close(), file.Close()); err != nil {
		t.Fatal(err)
	}
	tools := offline(t)
	tools.Environ = append(tools.Environ, "GOPROXY=file://"+filepath.ToSlash(proxy), "GONOSUMDB=*", "GOSUMDB=off",
		"GOMODCACHE="+t.TempDir(), "GOFLAGS=-modcacherw")
	p := planned(t, t.TempDir(), Request{Path: "info.rpc", Type: RPC})
	p.Panda = Panda{Version: "v0.9.0"}
	try := &trial{Plan: p, tools: tools, dir: t.TempDir()}
	mod := string(try.newMod())
	if !strings.Contains(mod, pandaPath+" v0.9.0") || strings.Contains(mod, "replace") {
		t.Errorf("go.mod of a released version:\n%s", mod)
	}
	if sums, err := try.pandaSums(t.Context()); err != nil || string(sums) != "the sums\n" {
		t.Errorf("sums of a released version: %q, %v", sums, err)
	}
	p.Panda.Version = "v0.9.1"
	if _, err := try.pandaSums(t.Context()); err == nil || !strings.Contains(err.Error(), "v0.9.1") {
		t.Errorf("a version that is nowhere: %v", err)
	}
}

func TestMergeSums(t *testing.T) {
	t.Parallel()
	// The go command's own order, which no plain sorting gives.
	sums, err := os.ReadFile("../../go.sum")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(sums), "\n")
	rand.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	if got := merge(nil, []byte(strings.Join(lines, "\n"))); string(got) != string(sums) {
		t.Errorf("the lines of go.sum in another order: got\n%s", got)
	}
	if a, b := "v1.0.0-rc.2", "v1.0.0-rc.10"; compareVersions(a, b) >= 0 || compareVersions(b, a) <= 0 || compareVersions("v1.0.0", b) <= 0 || compareVersions("v1.0.0-rc", "v1.0.0-1") <= 0 {
		t.Errorf("%s, %s and v1.0.0 are in another order", a, b)
	}
	if got := merge([]byte("b\na\n"), []byte("a\n")); string(got) != "b\na\n" {
		t.Errorf("nothing new: got %q", got)
	}
	if got := merge([]byte("b\na\n"), []byte("c\na")); string(got) != "a\nb\nc\n" {
		t.Errorf("one line more: got %q", got)
	}
	if got := merge(nil, nil); string(got) != "" {
		t.Errorf("nothing: got %q", got)
	}
}
