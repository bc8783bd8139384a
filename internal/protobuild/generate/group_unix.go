//go:build unix

package generate

import (
	"os/exec"
	"syscall"
)

// foldsNames says that names of variables differ by more than case.
const foldsNames = false

// isolate makes the program lead a process group, all of which is killed when its context is done.
func isolate(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
}
