//go:build !windows

package store

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

var errLocked = errors.New("the file is locked")

// lock takes the file for this process until unlock or the process's end, and writes the process's ID into it.
func lock(path string) (unlock func() error, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, onlyOwner) //nolint:gosec // in the folder that the user names
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errLocked
		}
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	writePID(f)
	return f.Close, nil
}
