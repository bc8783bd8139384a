// Package privatefolder makes sure that a folder in which programs of one user find each other belongs to that user alone. It
// knows nothing of what is in it.
package privatefolder

import (
	"fmt"
	"os"
	"path/filepath"
)

// Make makes the folder, if it is not there, and checks it as [Check] does.
func Make(folder, purpose string) error {
	if err := os.MkdirAll(filepath.Dir(folder), 0o755); err != nil { //nolint:gosec // the system's own, if it is missing
		return err
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	return Check(folder, purpose)
}

// Check makes sure that nobody else can have put anything into the folder. purpose says in errors what it is for. When there
// is none the error wraps [io/fs.ErrNotExist].
func Check(folder, purpose string) error {
	info, err := os.Lstat(folder)
	switch {
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("use %s for %s: it is not a folder", folder, purpose)
	case !onlyOurs(info):
		return fmt.Errorf("use %s for %s: other users may write to it; remove it, or set XDG_RUNTIME_DIR", folder, purpose)
	}
	return nil
}
