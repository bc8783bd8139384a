package store

import (
	"errors"
	"os"
	"syscall"
)

var errLocked = errors.New("the file is locked")

const sharingViolation = syscall.Errno(32)

// lock takes the file for this process until unlock or the process's end, and writes the process's ID into it: others
// may read it, but not open it to write.
func lock(path string) (unlock func() error, err error) {
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return nil, err
	}
	handle, err := syscall.CreateFile(name, syscall.GENERIC_READ|syscall.GENERIC_WRITE, syscall.FILE_SHARE_READ, nil,
		syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	if errors.Is(err, sharingViolation) {
		return nil, errLocked
	}
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	f := os.NewFile(uintptr(handle), path)
	writePID(f)
	return f.Close, nil
}
