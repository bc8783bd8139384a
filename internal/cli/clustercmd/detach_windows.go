package clustercmd

import (
	"os"
	"syscall"

	"golang.org/x/sys/windows"
)

// apart gives a process a console of its own, which the terminal's keys and its end do not reach.
func apart() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP | windows.DETACHED_PROCESS}
}

func interrupt(p *os.Process) error { return p.Kill() }
