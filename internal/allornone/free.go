package allornone

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
)

// ErrExists is wrapped by the error that a file would have to be overwritten.
var ErrExists = errors.New("a file exists already")

// shownExisting bounds how many files are named that stand in the way.
const shownExisting = 3

// CheckFree makes sure that no file of other content stands where files are to be, at their paths below base in the folder,
// unless force says that it may be overwritten; what is no file never may. An error that wraps [ErrExists] names the files.
func CheckFree(in Folder, base string, files []File, force bool) error {
	var existing []string
	for _, f := range files {
		at := filepath.Join(base, filepath.FromSlash(f.Path))
		info, err := in.Lstat(at)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return fmt.Errorf("%s: %w", at, Cause(err))
		case !info.Mode().IsRegular():
			return fmt.Errorf("%s is there and is no file", f.Path)
		case !force:
			if old, err := in.ReadFile(at); err != nil || !bytes.Equal(old, f.Content) {
				existing = append(existing, f.Path)
			}
		}
	}
	if len(existing) == 0 {
		return nil
	}
	more := ""
	if n := len(existing) - shownExisting; n > 0 {
		existing, more = existing[:shownExisting], fmt.Sprintf(" and %d more", n)
	}
	return fmt.Errorf("%w: %s%s", ErrExists, strings.Join(existing, ", "), more)
}
