//go:build !unix

package generate

import "os/exec"

// foldsNames says that names of variables that differ in case are one.
const foldsNames = true

// isolate leaves the program as it is: there are no process groups, and the program alone is killed.
func isolate(*exec.Cmd) {}
