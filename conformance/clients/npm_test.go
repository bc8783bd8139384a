package clients

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestNodeClient runs a program of the npm package "consul".
func TestNodeClient(t *testing.T) {
	t.Parallel()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed")
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		t.Skip("npm is not installed")
	}
	folder := t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json", "program.mjs"} {
		content, err := os.ReadFile(filepath.Join("testdata", "npm", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	install := exec.CommandContext(t.Context(), npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	install.Dir = folder
	if output, err := install.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, output)
	}
	each(t, func(t *testing.T, a *agent) {
		if got := a.run(t, folder, "", node, "program.mjs", a.address, a.node); got.code != 0 || got.stdout != "all done\n" {
			t.Errorf("%s", got)
		}
	})
}
