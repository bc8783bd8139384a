package processid

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// startOf returns when a process was started; ok is false when there is none.
func startOf(pid int) (started string, ok bool) {
	info, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil || int(info.Proc.P_pid) != pid {
		return "", false
	}
	return fmt.Sprintf("%d.%06d", info.Proc.P_starttime.Sec, info.Proc.P_starttime.Usec), true
}
