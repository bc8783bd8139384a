package protobuild_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pandakit/panda/internal/protobuild"
)

const empty = "syntax = \"proto3\";\n"

// importing is a file that imports others.
func importing(names ...string) string {
	text := empty
	for _, name := range names {
		text += "import \"" + name + "\";\n"
	}
	return text
}

// conventions are folders without settings, and the roots and files that they have.
var conventions = []struct {
	name  string
	files map[string]string
	roots []string
	want  []string
}{
	{
		"a folder proto",
		map[string]string{"proto/hello/v1/hello.proto": importing("common/v1/a.proto"), "proto/common/v1/a.proto": empty},
		[]string{"proto"},
		[]string{"common/v1/a.proto", "hello/v1/hello.proto"},
	},
	{
		"none",
		map[string]string{"api/v1/a.proto": empty, "b.proto": importing("api/v1/a.proto")},
		[]string{"."},
		[]string{"api/v1/a.proto", "b.proto"},
	},
	{
		"proto is part of the names",
		map[string]string{"proto/a.proto": importing("proto/b.proto"), "proto/b.proto": empty},
		[]string{"."},
		[]string{"proto/a.proto", "proto/b.proto"},
	},
	{
		"a folder proto for each service",
		map[string]string{
			"srv/proto/hello/v1/a.proto": importing("hello/v1/b.proto"), "srv/proto/hello/v1/b.proto": empty,
			"web/proto/page/v1/c.proto": empty,
		},
		[]string{"srv/proto", "web/proto"},
		[]string{"hello/v1/a.proto", "hello/v1/b.proto", "page/v1/c.proto"},
	},
	{
		"roots that only imports show",
		map[string]string{
			"x/api/one/a.proto": importing("one/b.proto"), "x/api/one/b.proto": empty,
			"y/idl/two/c.proto": importing("two/d.proto"), "y/idl/two/d.proto": empty,
			"e.proto": empty,
		},
		[]string{"x/api", "y/idl", "."},
		[]string{"e.proto", "one/a.proto", "one/b.proto", "two/c.proto", "two/d.proto"},
	},
	{
		"the nearest of two that fit",
		map[string]string{
			"x/a/m.proto": importing("n/t.proto"), "x/n/t.proto": empty, "z/n/t.proto": empty,
		},
		[]string{"x", "."},
		[]string{"a/m.proto", "n/t.proto", "z/n/t.proto"},
	},
	{
		"third party files are imported only",
		map[string]string{
			"a.proto": importing("other/o.proto", "google/api/http.proto"), "third_party/other/o.proto": empty,
			"third_party/google/api/http.proto": "syntax = \"proto3\"; package google.api;",
		},
		[]string{"third_party", "."},
		[]string{"a.proto"},
	},
	{
		"what is not looked into",
		map[string]string{
			"a.proto": empty, "vendor/v.proto": empty, "x/node_modules/n.proto": empty, ".git/g.proto": empty,
			"testdata/t.proto": empty, "_old/o.proto": empty, "mod/go.mod": "module m", "mod/m.proto": empty, "x/readme.txt": "",
		},
		[]string{"."},
		[]string{"a.proto"},
	},
	{
		"a file that is no protobuf",
		map[string]string{"proto/a.proto": "<html>", "proto/b.proto": "import \"unclosed"},
		[]string{"proto"},
		[]string{"a.proto", "b.proto"},
	},
}

func TestFindByConvention(t *testing.T) {
	t.Parallel()
	for _, test := range conventions {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := tree(t, test.files)
			src, err := protobuild.Find(dir, protobuild.Settings{})
			if err != nil {
				t.Fatal(err)
			}
			if src.Dir != dir || !slices.Equal(src.Roots, test.roots) || !slices.Equal(src.Files, test.want) {
				t.Errorf("got roots %q, files %q, want %q, %q", src.Roots, src.Files, test.roots, test.want)
			}
		})
	}
}

func TestFindBySettings(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{
		"api/a.proto": empty, "api/old/b.proto": empty, "api/c_draft.proto": empty, "idl/d.proto": empty, "proto/e.proto": empty,
	})
	src, err := protobuild.Find(dir, protobuild.Settings{
		Roots: []string{"api", "./idl/", filepath.Join(dir, "idl")}, Exclude: []string{"api/old", "api/*_draft.proto"},
	})
	if err != nil || !slices.Equal(src.Files, []string{"a.proto", "d.proto"}) {
		t.Fatalf("got %+v, %v", src, err)
	}
	if got := src.Path("d.proto"); got != "idl/d.proto" {
		t.Errorf("Path: %q", got)
	}
	if got := src.Path("nowhere.proto"); got != "nowhere.proto" {
		t.Errorf("Path of a file that is not there: %q", got)
	}
}

func TestFindRefuses(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{
		"a/proto/x.proto": empty, "b/proto/x.proto": empty, "file": "", "none/readme.txt": "",
	})
	outside := t.TempDir()
	if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	for _, test := range []struct {
		name, dir string
		settings  protobuild.Settings
		want      string
	}{
		{"one name twice", dir, protobuild.Settings{}, `both a/proto/x.proto and b/proto/x.proto are "x.proto" to an import`},
		{"no such root", dir, protobuild.Settings{Roots: []string{"nowhere"}}, `root "nowhere": there is no such folder in ` + dir},
		{"a root that is a file", dir, protobuild.Settings{Roots: []string{"file"}}, `root "file" in ` + dir + ` is not a folder`},
		{"a root outside", dir, protobuild.Settings{Roots: []string{"../x"}}, `root "../x" leads out of ` + dir},
		{"an absolute root outside", dir, protobuild.Settings{Roots: []string{outside}}, "leads out of " + dir},
		{"a link that leads out", dir, protobuild.Settings{Roots: []string{"link"}}, "a symbolic link leads out of " + dir},
		{"a wrong pattern", dir, protobuild.Settings{Exclude: []string{"["}}, `exclude "[": not a pattern`},
		{"no files", filepath.Join(dir, "none"), protobuild.Settings{}, "no .proto file in " + filepath.Join(dir, "none")},
		{"no files in roots", dir, protobuild.Settings{Roots: []string{"none"}}, "no .proto file in none below " + dir},
		{"no folder", filepath.Join(dir, "nowhere"), protobuild.Settings{}, "look for .proto files in "},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			src, err := protobuild.Find(test.dir, test.settings)
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %+v, %v, want an error with %q", src, err, test.want)
			}
			if _, none := errors.AsType[*protobuild.NoFilesError](err); none != strings.HasPrefix(test.name, "no files") {
				t.Errorf("the error is a NoFilesError: %v", none)
			}
		})
	}
}

func TestModules(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{
		"go.mod": "module w", "a/go.mod": "module a", "a/proto/a.proto": empty, "a/deep/go.mod": "module d", "a/deep/d.proto": empty,
		"b/go.mod": "module b", "b/main.go": "package main", "c/c.proto": empty,
	})
	got, err := protobuild.Modules(dir)
	want := []string{dir, filepath.Join(dir, "a"), filepath.Join(dir, "a", "deep")}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

func TestFindFollowsALinkToTheFolderItself(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"proto/a.proto": empty})
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	src, err := protobuild.Find(link, protobuild.Settings{})
	if err != nil || src.Dir != link || !slices.Equal(src.Files, []string{"a.proto"}) {
		t.Fatalf("got %+v, %v", src, err)
	}
	if c, err := protobuild.Compile(t.Context(), src); err != nil || len(c.Files) != 1 {
		t.Errorf("compile: %v", err)
	}
}
