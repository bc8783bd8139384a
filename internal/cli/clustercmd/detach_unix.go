//go:build unix

package clustercmd

import (
	"os"
	"syscall"
)

// apart gives a process a session of its own, which the terminal's keys and its end do not reach.
func apart() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

func interrupt(p *os.Process) error { return p.Signal(os.Interrupt) }
