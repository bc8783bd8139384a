package scaffold

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/pandakit/panda/internal/allornone"
)

// transaction writes files and takes all back unless it is kept. A folder that does not exist yet is filled beside its
// place and renamed, so that it is there completely or not at all.
type transaction struct {
	*allornone.Transaction

	folder string // of the project
	beside string // where it is filled; "" when it exists
}

// begin makes the folders above the project's, and shows that one can write there.
func begin(folder string) (*transaction, error) {
	t := &transaction{Transaction: allornone.Begin(allornone.Anywhere{}), folder: folder}
	parent := filepath.Dir(folder)
	if info, err := os.Stat(folder); err == nil && info.IsDir() {
		parent = folder
	}
	if err := t.MakeFolder(parent); err != nil {
		t.Undo()
		return nil, told(err)
	}
	beside := filepath.Join(parent, allornone.TempName())
	if err := os.Mkdir(beside, 0o755); err != nil { //nolint:gosec // others may read a project
		t.Undo()
		return nil, cause(err, parent)
	}
	if parent == folder {
		return t, os.Remove(beside)
	}
	t.beside = beside
	t.Did(func() { _ = os.RemoveAll(beside) })
	return t, nil
}

// write puts the project's files, and then those outside of its folder, in place.
func (t *transaction) write(project, outside []File) error {
	folder := t.folder
	if t.beside != "" {
		folder = t.beside
	}
	var files []allornone.File
	for _, f := range project {
		files = append(files, followed(filepath.Join(folder, filepath.FromSlash(f.Path)), f.Content))
	}
	if _, err := t.Write(files); err != nil {
		return told(err)
	}
	if t.beside != "" {
		if err := os.Rename(t.beside, t.folder); err != nil {
			return cause(err, t.folder)
		}
		t.Did(func() { _ = os.RemoveAll(t.folder) })
	}
	files = nil
	for _, f := range outside {
		files = append(files, followed(f.Path, f.Content))
	}
	_, err := t.Write(files)
	return told(err)
}

// followed is the file at a path, or the one that a symbolic link there leads to: it is what is replaced, never the link.
func followed(name string, content []byte) allornone.File {
	if target, err := filepath.EvalSymlinks(name); err == nil {
		name = target
	}
	return allornone.File{Path: name, Content: content}
}

// told is cause with the path that the error has itself, if it has one.
func told(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return cause(err, p.Path)
	}
	return err
}
