package up

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// folderPrefix begins the names of folders for executables; the process that made one follows.
const folderPrefix = "panda-up-"

// newFolder makes a folder for executables beneath parent, and removes those that a panda up has left that was killed.
func newFolder(parent string) (string, error) {
	left, _ := filepath.Glob(filepath.Join(parent, folderPrefix+"*")) // the pattern is a good one
	for _, folder := range left {
		if pid, ok := madeBy(folder); ok && gone(pid) {
			_ = os.RemoveAll(folder) // of another user, perhaps
		}
	}
	folder, err := os.MkdirTemp(parent, fmt.Sprintf("%s%d-", folderPrefix, os.Getpid()))
	if err != nil {
		return "", fmt.Errorf("build services: %w", err)
	}
	return folder, nil
}

func madeBy(folder string) (pid int, ok bool) {
	text, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(folder), folderPrefix), "-")
	pid, err := strconv.Atoi(text)
	return pid, err == nil && pid > 0
}

// gone reports whether there is certainly no such process.
func gone(pid int) bool {
	process, err := os.FindProcess(pid)
	if err != nil { // on Windows, where one that is not there cannot be opened
		return true
	}
	defer process.Release() //nolint:errcheck // nothing is lost
	return errors.Is(process.Signal(syscall.Signal(0)), os.ErrProcessDone)
}
