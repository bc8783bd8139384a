package scaffold

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// The modes of what is written, before the umask: others may read a project, as they may what git checks out.
const (
	folderMode = 0o755
	fileMode   = 0o644
)

// transaction writes files and takes all back unless it is committed. A folder that does not exist yet is filled beside
// its place and renamed, so that it is there completely or not at all.
type transaction struct {
	folder string   // of the project
	beside string   // where it is filled; "" when it exists
	undos  []func() // in the order of what they undo
}

// begin makes the folders above the project's, and shows that one can write there.
func begin(folder string) (*transaction, error) {
	t := &transaction{folder: folder}
	if info, err := os.Stat(folder); err == nil && info.IsDir() {
		probe := filepath.Join(folder, ".panda-"+rand.Text())
		if err := os.Mkdir(probe, folderMode); err != nil {
			return nil, cause(err, folder)
		}
		return t, os.Remove(probe)
	}
	parent := filepath.Dir(folder)
	if err := t.makeFolder(parent); err != nil {
		t.undo()
		return nil, err
	}
	t.beside = filepath.Join(parent, ".panda-"+rand.Text())
	if err := os.Mkdir(t.beside, folderMode); err != nil {
		t.undo()
		return nil, cause(err, parent)
	}
	t.undos = append(t.undos, func() { _ = os.RemoveAll(t.beside) })
	return t, nil
}

// undo takes back what was done. That something of it fails too is not told, since what made it necessary is.
func (t *transaction) undo() {
	for _, undo := range slices.Backward(t.undos) {
		undo()
	}
	t.undos = nil
}

// write puts the project's files, and then those outside of its folder, in place.
func (t *transaction) write(project, outside []File) error {
	for _, f := range project {
		at := filepath.Join(t.folder, filepath.FromSlash(f.Path))
		if t.beside != "" {
			at = filepath.Join(t.beside, filepath.FromSlash(f.Path))
		}
		if err := t.replace(at, f.Content); err != nil {
			return err
		}
	}
	if t.beside != "" {
		if err := os.Rename(t.beside, t.folder); err != nil {
			return cause(err, t.folder)
		}
		t.undos = append(t.undos, func() { _ = os.RemoveAll(t.folder) })
	}
	for _, f := range outside {
		if err := t.replace(f.Path, f.Content); err != nil {
			return err
		}
	}
	return nil
}

// commit keeps what was written.
func (t *transaction) commit() { t.undos = nil }

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
		return cause(err, name)
	}
	t.undos = append(t.undos, func() { _ = os.Remove(name) })
	return nil
}

// replace writes a file under another name and renames it. A file that was there keeps its mode.
func (t *transaction) replace(name string, content []byte) error {
	if err := t.makeFolder(filepath.Dir(name)); err != nil {
		return err
	}
	// What a symbolic link leads to is what is replaced, never the link.
	if target, err := filepath.EvalSymlinks(name); err == nil {
		name = target
	}
	mode := fs.FileMode(fileMode)
	old, err := os.ReadFile(name) //nolint:gosec // of the project or its module
	existed := err == nil
	if info, statErr := os.Stat(name); existed && statErr == nil {
		mode = info.Mode().Perm()
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return cause(err, name)
	}
	temp := filepath.Join(filepath.Dir(name), ".panda-"+rand.Text())
	if err := os.WriteFile(temp, content, mode); err != nil {
		_ = os.Remove(temp)
		return cause(err, name)
	}
	if err := os.Rename(temp, name); err != nil {
		_ = os.Remove(temp)
		return cause(err, name)
	}
	t.undos = append(t.undos, func() {
		if existed {
			_ = os.WriteFile(name, old, mode) //nolint:gosec // where it has been read from
			return
		}
		_ = os.Remove(name)
	})
	return nil
}
