// Package privatefolder is where programs of one user find each other: it makes sure that the folder belongs to that user alone. It
// knows nothing of what is in it.
package privatefolder

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
)

// maxFile bounds what is read of a file, in bytes.
const maxFile = 64 << 10

// Path returns the folder of that name, which need not exist: below XDG_RUNTIME_DIR where that is set, else one of this user's among
// the temporary files. On Windows it is windows, a relative path, in the user's own folder. getenv is the environment.
func Path(getenv func(string) string, name, windows string) string {
	if dir := getenv("XDG_RUNTIME_DIR"); dir != "" && filepath.IsAbs(dir) {
		return filepath.Join(dir, name)
	}
	if runtime.GOOS == "windows" {
		if dir := getenv("LOCALAPPDATA"); dir != "" {
			return filepath.Join(dir, windows)
		}
	}
	return filepath.Join(os.TempDir(), name+"-"+strconv.Itoa(os.Getuid()))
}

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

// Read reads a file of JSON in such a folder. What is no such file, or too large for one, is an error that wraps [io/fs.ErrInvalid].
func Read(path string, out any) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return fmt.Errorf("read %s: %w", path, fs.ErrInvalid)
	}
	text, err := os.ReadFile(path) //nolint:gosec // in a folder of this user's
	if err != nil {
		return err
	}
	if json.Unmarshal(text, out) != nil {
		return fmt.Errorf("read %s: %w", path, fs.ErrInvalid)
	}
	return nil
}
