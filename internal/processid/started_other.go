//go:build !linux && !darwin && !windows

package processid

import (
	"os"
	"syscall"
)

// startOf knows on these systems only whether there is a process of the ID.
func startOf(pid int) (started string, ok bool) {
	p, err := os.FindProcess(pid)
	return "", err == nil && p.Signal(syscall.Signal(0)) == nil
}
