package scaffold

import (
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
	"testing"
)

func TestFindPanda(t *testing.T) {
	t.Parallel()
	checkout, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	inCheckout := filepath.Join(checkout, "internal", "scaffold", "panda.go")
	build := func(version, sum string) *debug.BuildInfo {
		return &debug.BuildInfo{Main: debug.Module{Path: pandaPath, Version: version, Sum: sum}}
	}
	for _, c := range []struct {
		what             string
		build            *debug.BuildInfo
		source, override string
		want             Panda
		wantErr          string
	}{
		{"a release", build("v1.2.3", "h1:x"), "github.com/pandakit/panda@v1.2.3/internal/scaffold/panda.go", "", Panda{"v1.2.3", ""}, ""},
		{"a checkout", build("(devel)", ""), inCheckout, "", Panda{"v0.0.0", checkout}, ""},
		{"a checkout with a commit", build("v0.0.0-20260101000000-0123456789ab+dirty", ""), inCheckout, "", Panda{"v0.0.0", checkout}, ""},
		{"a build without information", &debug.BuildInfo{}, inCheckout, "", Panda{"v0.0.0", checkout}, ""},
		{"another program", &debug.BuildInfo{Main: debug.Module{Path: "example.com/x", Version: "v9.9.9", Sum: "h1:x"}}, inCheckout, "", Panda{"v0.0.0", checkout}, ""},
		{"-trimpath", build("(devel)", ""), "github.com/pandakit/panda/internal/scaffold/panda.go", "", Panda{}, "built with -trimpath"},
		{"a checkout that is gone", build("(devel)", ""), filepath.Join(t.TempDir(), "internal", "scaffold", "panda.go"), "", Panda{}, "is there no more"},
		{"a folder that is given", build("v1.2.3", "h1:x"), "", checkout, Panda{"v0.0.0", checkout}, ""},
		{"a folder that is none", build("v1.2.3", "h1:x"), "", filepath.Join(checkout, "internal"), Panda{}, "has no go.mod of the module"},
		{"a folder of another module", build("v1.2.3", "h1:x"), "", filepath.Join(checkout, "tools"), Panda{}, "has no go.mod of the module"},
	} {
		got, err := findPanda(c.build, c.source, c.override)
		if got != c.want || (err == nil) != (c.wantErr == "") || err != nil && !strings.Contains(err.Error(), c.wantErr) {
			t.Errorf("%s: got %+v, %v, want %+v, %q", c.what, got, err, c.want, c.wantErr)
		}
	}
	if got, err := FindPanda(""); err != nil || got.Dir != checkout {
		t.Errorf("this test: got %+v, %v, want %s", got, err, checkout)
	}
}

// A module keeps the panda module that it has, wherever this program is from.
func TestRequiredPanda(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for mod, want := range map[string]Panda{
		"module m\n": {},
		"module m\nrequire github.com/pandakit/panda/tools v1.0.0\n":                            {},
		"module m\nrequire github.com/pandakit/panda v1.2.3\n":                                  {"v1.2.3", ""},
		"module m\nrequire (\n\tgithub.com/pandakit/panda v1.2.3 // indirect\n)\n":              {"v1.2.3", ""},
		"require github.com/pandakit/panda v0.0.0\nreplace github.com/pandakit/panda => ../p\n": {"v0.0.0", filepath.Join(filepath.Dir(dir), "p")},
		"require github.com/pandakit/panda v0.0.0\nreplace (\n\tgithub.com/pandakit/panda v0.0.0 => \"./my p\"\n)\n": {
			"v0.0.0", filepath.Join(dir, "my p"),
		},
		"require github.com/pandakit/panda v1.0.0\nreplace github.com/pandakit/panda => example.com/fork v1.1.0\n": {"v1.0.0", ""},
	} {
		got, ok := required([]byte(mod), dir)
		if got != want || ok != (want != Panda{}) {
			t.Errorf("got %+v, %v, want %+v, of\n%s", got, ok, want, mod)
		}
	}
}

// TestVersions compares what new modules require with what this repository uses itself.
func TestVersions(t *testing.T) {
	t.Parallel()
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	mod, tools, sums := read("go.mod"), read("tools/go.mod"), read("go.sum")+read("tools/go.sum")
	if !strings.Contains(mod, "\ngo "+leastGo+"\n") {
		t.Errorf("go.mod wants another Go than %s", leastGo)
	}
	if !strings.Contains(tools, grpcPluginModule+" "+grpcPluginSemver) {
		t.Errorf("tools/go.mod has another version of %s than %s", grpcPluginModule, grpcPluginSemver)
	}
	api := regexp.MustCompile(regexp.QuoteMeta(httpModule) + ` (v\S+)`).FindStringSubmatch(mod)
	rpc := regexp.MustCompile(`google.golang.org/genproto/googleapis/rpc (v\S+)`).FindStringSubmatch(mod)
	if api != nil && api[1] != httpSemver || rpc == nil || rpc[1] != httpSemver {
		t.Errorf("go.mod has other versions of genproto, %v and %v, than %s", api, rpc, httpSemver)
	}
	for line := range strings.Lines(knownSums) {
		if !strings.Contains(sums, line) {
			t.Errorf("no go.sum of the repository has %q", line)
		}
	}
}
