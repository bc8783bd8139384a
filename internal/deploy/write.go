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

// Write puts the files into folder, which it makes if need be, and nothing outside of it: symbolic links in it that lead
// out of it are refused. Unless within is "", folder has to lie below that one, as does all that symbolic links on its
// path lead to; one that a user has named may be anywhere. shown is the folder as error texts name it. Files of other
// content are overwritten only when force says so, and of files that are the same nothing is done. When it returns an
// error nothing has changed; one that wraps [ErrExists] names the files.
func Write(folder, within, shown string, files []File, force bool) error {
	if err := fits(folder, within); err != nil {
		return inputErrorf("name another folder with --output; it may be anywhere", "write %s: %v", shown, err)
	}
	folders := new(transaction)
	defer folders.undo()
	if err := folders.makeFolder(folder); err != nil {
		return fmt.Errorf("write %s: %w", shown, err)
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return fmt.Errorf("write %s: %w", shown, cause(err))
	}
	defer func() { _ = root.Close() }() // a folder has nothing to save
	t := new(transaction)
	defer t.undo() // while root is open
	changed, err := differing(root, shown, files, force)
	if err != nil {
		return err
	}
	for _, f := range changed {
		if err := t.replace(root, f.Path, f.Content); err != nil {
			return fmt.Errorf("write %s: %w", shown, err)
		}
	}
	t.undos, folders.undos = nil, nil
	return nil
}

// fits makes sure that what exists of the folder's path is a folder and, links followed, lies in within, if that is not "".
func fits(folder, within string) error {
	at := folder
	info, err := os.Stat(at)
	for err != nil && at != filepath.Dir(at) {
		if _, linked := os.Lstat(at); linked == nil {
			return fmt.Errorf("the symbolic link %s leads to nothing that can be read: %w", at, cause(err))
		}
		at = filepath.Dir(at)
		info, err = os.Stat(at)
	}
	switch {
	case err != nil:
		return cause(err)
	case !info.IsDir():
		return fmt.Errorf("%s is not a folder", at)
	case within == "":
		return nil
	}
	there, err := filepath.EvalSymlinks(at)
	if err != nil {
		return cause(err)
	}
	if within, err = filepath.EvalSymlinks(within); err != nil {
		return cause(err)
	}
	if relative, err := filepath.Rel(within, there); err != nil || !filepath.IsLocal(relative) {
		return fmt.Errorf("%s leads out of the workspace %s", at, within)
	}
	return nil
}

// differing returns the files that are not there as they are to be.
func differing(root *os.Root, shown string, files []File, force bool) ([]File, error) {
	var changed []File
	var existing []string
	for _, f := range files {
		info, err := root.Lstat(f.Path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			changed = append(changed, f)
		case err != nil:
			return nil, fmt.Errorf("write %s: %s: %w", shown, f.Path, cause(err))
		case !info.Mode().IsRegular():
			return nil, fmt.Errorf("write %s: %s is there and is no file", shown, f.Path)
		default:
			old, err := root.ReadFile(f.Path)
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
func (t *transaction) replace(root *os.Root, name string, content []byte) error {
	old, err := root.ReadFile(name)
	existed := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return cause(err)
	}
	temp := filepath.Join(filepath.Dir(name), ".panda-"+rand.Text())
	if err := root.WriteFile(temp, content, fileMode); err != nil {
		_ = root.Remove(temp)
		return cause(err)
	}
	if err := root.Rename(temp, name); err != nil {
		_ = root.Remove(temp)
		return cause(err)
	}
	t.undos = append(t.undos, func() {
		if existed {
			_ = root.WriteFile(name, old, fileMode)
			return
		}
		_ = root.Remove(name)
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
