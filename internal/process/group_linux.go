package process

import "syscall"

// attributes ask the kernel to kill the child when the thread that started it ends, hence [Starter].
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
