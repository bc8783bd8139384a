package deploy

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The modes of what is written, before the umask. No file holds a secret.
const (
	folderMode = 0o755
	fileMode   = 0o644
)

// shownExisting bounds how many files are named that stand in the way.
const shownExisting = 3

// Write puts the files into folder, which lies below root, as does all that symbolic links in it lead to; shown is the
// folder as error texts name it. Files of other content are overwritten only when force says so, and of files that are
// the same nothing is done. When it returns an error nothing has changed; one that wraps [ErrExists] names the files.
func Write(root, folder, shown string, files []File, force bool) error {
	if err := inside(root, folder); err != nil {
		return inputErrorf("choose a folder below it with --output", "write %s: %v", shown, err)
	}
	changed, err := differing(folder, shown, files, force)
	if err != nil || len(changed) == 0 {
		return err
	}
	t := new(transaction)
	defer t.undo()
	if err := t.makeFolder(folder); err != nil {
		return fmt.Errorf("write %s: %w", shown, err)
	}
	for _, f := range changed {
		if err := t.replace(filepath.Join(folder, f.Path), f.Content); err != nil {
			return fmt.Errorf("write %s: %w", shown, err)
		}
	}
	t.undos = nil
	return nil
}

// inside makes sure that what exists of the folder's path lies in root, links followed.
func inside(root, folder string) error {
	root, err := filepath.EvalSymlinks(root)
	if err != nil {
		return err
	}
	for at := folder; ; at = filepath.Dir(at) {
		there, err := filepath.EvalSymlinks(at)
		if errors.Is(err, fs.ErrNotExist) && at != filepath.Dir(at) {
			continue
		}
		if err != nil {
			return cause(err)
		}
		rest, err := filepath.Rel(at, folder)
		if err != nil {
			return err
		}
		if relative, err := filepath.Rel(root, filepath.Join(there, rest)); err != nil || !filepath.IsLocal(relative) {
			return fmt.Errorf("it is outside of the workspace %s", root)
		}
		return nil
	}
}

// differing returns the files that are not there as they are to be.
func differing(folder, shown string, files []File, force bool) ([]File, error) {
	var changed []File
	var existing []string
	for _, f := range files {
		at := filepath.Join(folder, f.Path)
		info, err := os.Lstat(at)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			changed = append(changed, f)
		case err != nil:
			return nil, fmt.Errorf("write %s: %w", shown, cause(err))
		case !info.Mode().IsRegular():
			return nil, fmt.Errorf("write %s: %s is there and is no file", shown, f.Path)
		default:
			old, err := os.ReadFile(at) //nolint:gosec // below the workspace
			if err == nil && bytes.Equal(old, f.Content) {
				continue
			}
			changed, existing = append(changed, f), append(existing, f.Path)
		}
	}
	if force || len(existing) == 0 {
		return changed, nil
	}
	more := ""
	if n := len(existing) - shownExisting; n > 0 {
		existing, more = existing[:shownExisting], fmt.Sprintf(" and %d more", n)
	}
	return nil, fmt.Errorf("write %s: %w: %s%s", shown, ErrExists, strings.Join(existing, ", "), more)
}

// transaction writes files and takes all back unless its undos are forgotten.
type transaction struct{ undos []func() }

// undo takes back what was done. That something of it fails too is not told, since what made it necessary is.
func (t *transaction) undo() {
	for _, undo := range slices.Backward(t.undos) {
		undo()
	}
}

// makeFolder makes a folder and those above it.
func (t *transaction) makeFolder(name string) error {
	if info, err := os.Stat(name); err == nil {
		if !info.IsDir() {
			return fmt.Errorf("%s is not a folder", name)
		}
		return nil
	}
	if err := t.makeFolder(filepath.Dir(name)); err != nil {
		return err
	}
	if err := os.Mkdir(name, folderMode); err != nil {
		return cause(err)
	}
	t.undos = append(t.undos, func() { _ = os.Remove(name) })
	return nil
}

// replace writes a file under another name and renames it.
func (t *transaction) replace(name string, content []byte) error {
	old, err := os.ReadFile(name) //nolint:gosec // below the workspace
	existed := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return cause(err)
	}
	temp := filepath.Join(filepath.Dir(name), ".panda-"+rand.Text())
	if err := os.WriteFile(temp, content, fileMode); err != nil {
		_ = os.Remove(temp)
		return cause(err)
	}
	if err := os.Rename(temp, name); err != nil {
		_ = os.Remove(temp)
		return cause(err)
	}
	t.undos = append(t.undos, func() {
		if existed {
			_ = os.WriteFile(name, old, fileMode) //nolint:gosec // where it has been read from
			return
		}
		_ = os.Remove(name)
	})
	return nil
}

// cause strips the path that the text around it names, if that is of a temporary file.
func cause(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	if l, ok := errors.AsType[*os.LinkError](err); ok {
		return l.Err
	}
	return err
}
