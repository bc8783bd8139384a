package dockerd_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pandakit/panda/conformance/dockerd"
)

func TestMain(m *testing.M) {
	code := m.Run()
	dockerd.Stop()
	os.Exit(code)
}

// TestRun runs a program in the engine, in an image that is made of nothing but it.
func TestRun(t *testing.T) {
	engine := dockerd.Get(t)
	folder := t.TempDir()
	source := "package main\n\nimport \"os\"\n\nfunc main() {\n\tprintln(\"hello\")\n\tos.Exit(7)\n}\n"
	if err := os.WriteFile(filepath.Join(folder, "main.go"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	dockerd.BuildStatic(t, filepath.Join(folder, "main.go"), filepath.Join(folder, "hello"))
	if err := os.WriteFile(filepath.Join(folder, "Dockerfile"), []byte("FROM scratch\nCOPY hello /hello\nENTRYPOINT [\"/hello\"]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	engine.Run(t, "build", "--quiet", "--tag", "panda-test-hello", folder)
	out, err := engine.Command(t.Context(), "run", "--rm", "panda-test-hello").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "hello") {
		t.Errorf("run: %v, %q; want exit code 7 and hello", err, out)
	}
}
