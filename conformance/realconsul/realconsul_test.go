package realconsul_test

import (
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/pandakit/panda/conformance/realconsul"
)

func TestBinaryIsTheVersionItSays(t *testing.T) {
	t.Parallel()
	var calls sync.WaitGroup
	paths := make([]string, 3)
	for i := range paths {
		calls.Go(func() {
			path, err := realconsul.Binary(t.Context())
			if err != nil {
				t.Error(err)
			}
			paths[i] = path
		})
	}
	calls.Wait()
	if paths[0] != paths[1] || paths[1] != paths[2] {
		t.Fatalf("calls at the same time got %q, want one path", paths)
	}
	output, err := exec.Command(paths[0], "version").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(output), "Consul v"+realconsul.Version+"\n") {
		t.Errorf("%s version: %s (%v), want v%s", paths[0], output, err, realconsul.Version)
	}
}
