package main

import (
	"fmt"
	"os/exec"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// tellGoFolders puts the go command's folders into the variables REAL_GOCACHE and REAL_GOMODCACHE, for scripts that
// compile: their own home is empty, and nothing is to be compiled or downloaded anew there.
func tellGoFolders(env *testscript.Env) error {
	for _, name := range []string{"GOCACHE", "GOMODCACHE"} {
		out, err := exec.Command("go", "env", name).Output()
		if err != nil {
			return fmt.Errorf("ask the go command for %s: %w", name, err)
		}
		env.Setenv("REAL_"+name, strings.TrimSpace(string(out)))
	}
	return nil
}
