//go:build unix

package up

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// foreground reports whether the terminal is this program's now: one in the background that changed it would be stopped.
func foreground(input *os.File) bool {
	group, err := unix.IoctlGetInt(int(input.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// waitForInput reports whether there is something to read within the time.
func waitForInput(input *os.File, wait time.Duration) (bool, error) {
	fds := []unix.PollFd{{Fd: int32(input.Fd()), Events: unix.POLLIN}} //nolint:gosec // a descriptor is small
	n, err := unix.Poll(fds, int(wait.Milliseconds()))
	if errors.Is(err, unix.EINTR) {
		return false, nil
	}
	return n > 0, err
}
