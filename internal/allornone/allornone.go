// Package allornone writes files, all of them or none: into folders that exist or are made, over files that are there or
// not. What went before is there again after an error. It knows nothing of what is in the files, asks nobody whether one
// may be overwritten, and does not guard against another process that writes the same files at the same time.
//
// A process that is killed outright undoes nothing. Until all files are written it leaves new folders, and files named
// .panda- and letters beside the places of those that were to come: without an extension and with a dot in front, they
// are nothing to the go command, protoc, Compose, kubectl or systemd, and no later run looks at them. After that it leaves
// some of the files as they were and others as they were to be; each is whole.
package allornone

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// The modes of what is made, before the umask: others may read it, as they may what git checks out.
const (
	folderMode = 0o755
	fileMode   = 0o644
)

// Folder is where files are written. An [*os.Root] confines them to a folder; [Anywhere] does not.
type Folder interface {
	Stat(name string) (fs.FileInfo, error)
	Lstat(name string) (fs.FileInfo, error)
	ReadFile(name string) ([]byte, error)
	WriteFile(name string, content []byte, mode fs.FileMode) error
	Chmod(name string, mode fs.FileMode) error
	Mkdir(name string, mode fs.FileMode) error
	Rename(from, to string) error
	Remove(name string) error
}

// File is what a file is to be.
type File struct {
	Path    string // in the folder, with slashes or as the system has it
	Content []byte
}

// Transaction is what was done in a folder and may be undone. It is for one goroutine.
type Transaction struct {
	in    Folder
	undos []func() // in the order of what they undo
}

// Begin starts a transaction. Its caller defers [Transaction.Undo], for as long as the folder is open, and calls
// [Transaction.Keep] when all has gone well.
func Begin(in Folder) *Transaction { return &Transaction{in: in} }

// Undo takes back, last first, what was done since the beginning or the last Keep. That something of it fails too is not
// told, since what made it necessary is.
func (t *Transaction) Undo() {
	for _, undo := range slices.Backward(t.undos) {
		undo()
	}
	t.undos = nil
}

// Keep leaves what was done as it is.
func (t *Transaction) Keep() { t.undos = nil }

// Did adds to what Undo does: the opposite of what the caller has done by itself.
func (t *Transaction) Did(undo func()) { t.undos = append(t.undos, undo) }

// MakeFolder makes a folder and those above it, unless they are there.
func (t *Transaction) MakeFolder(name string) error {
	info, err := t.in.Stat(name)
	switch {
	case err == nil && !info.IsDir():
		return fmt.Errorf("%s is not a folder", name)
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist) || filepath.Dir(name) == name:
		return err
	}
	if err := t.MakeFolder(filepath.Dir(name)); err != nil {
		return err
	}
	if err := t.in.Mkdir(name, folderMode); err != nil {
		return err
	}
	t.Did(func() { _ = t.in.Remove(name) })
	return nil
}

// Write puts files in place, with the folders that they need, and returns the paths of those that were not there with
// this content already, in their order; the others are not touched. A file that is replaced keeps its mode; a symbolic
// link is replaced, not followed. All are written beside their places first and then renamed. An error is a
// [*fs.PathError] with the path of a file as it was given; what was done until then waits for [Transaction.Undo].
func (t *Transaction) Write(files []File) (changed []string, err error) {
	var places []func() error
	for _, f := range files {
		place, err := t.prepare(filepath.FromSlash(f.Path), f.Content)
		if err != nil {
			return nil, &fs.PathError{Op: "write", Path: f.Path, Err: Cause(err)}
		}
		if place != nil {
			places, changed = append(places, place), append(changed, f.Path)
		}
	}
	for i, place := range places {
		if err := place(); err != nil {
			return nil, &fs.PathError{Op: "write", Path: changed[i], Err: Cause(err)}
		}
	}
	return changed, nil
}

// prepare writes a file beside its place and returns what puts it there, or nil if it is as it is to be.
func (t *Transaction) prepare(name string, content []byte) (place func() error, err error) {
	if err := t.MakeFolder(filepath.Dir(name)); err != nil {
		return nil, err
	}
	mode, undo := fs.FileMode(fileMode), func() { _ = t.in.Remove(name) }
	info, err := t.in.Stat(name)
	switch {
	case err == nil && !info.Mode().IsRegular():
		return nil, errors.New("there is something else of that name")
	case err == nil:
		old, err := t.in.ReadFile(name)
		if err != nil || bytes.Equal(old, content) {
			return nil, err
		}
		mode = info.Mode().Perm()
		undo = func() { _ = t.in.WriteFile(name, old, mode) }
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	temp := filepath.Join(filepath.Dir(name), TempName())
	t.Did(func() { _ = t.in.Remove(temp) }) // there is none once it is in place
	if err := t.in.WriteFile(temp, content, mode); err != nil {
		return nil, err
	}
	if info != nil { // the umask may have taken some of it
		if err := t.in.Chmod(temp, mode); err != nil {
			return nil, err
		}
	}
	return func() error {
		if err := t.in.Rename(temp, name); err != nil {
			return err
		}
		t.Did(undo)
		return nil
	}, nil
}

// TempName returns a name, unlike any other, for a file or folder that is not in its place yet.
func TempName() string { return ".panda-" + rand.Text() }

// Cause strips what an error of the file system says of the path and of what was done, which the text around it names.
func Cause(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	if l, ok := errors.AsType[*os.LinkError](err); ok {
		return l.Err
	}
	return err
}

// Anywhere is the whole file system, with paths as package os takes them.
type Anywhere struct{}

// The methods of [Folder].

func (Anywhere) Stat(name string) (fs.FileInfo, error)     { return os.Stat(name) }        //nolint:revive // as the interface says
func (Anywhere) Lstat(name string) (fs.FileInfo, error)    { return os.Lstat(name) }       //nolint:revive // as the interface says
func (Anywhere) ReadFile(name string) ([]byte, error)      { return os.ReadFile(name) }    //nolint:revive,gosec // as the interface says
func (Anywhere) Mkdir(name string, mode fs.FileMode) error { return os.Mkdir(name, mode) } //nolint:revive // as the interface says
func (Anywhere) Chmod(name string, mode fs.FileMode) error { return os.Chmod(name, mode) } //nolint:revive // as the interface says
func (Anywhere) Rename(from, to string) error              { return os.Rename(from, to) }  //nolint:revive // as the interface says
func (Anywhere) Remove(name string) error                  { return os.Remove(name) }      //nolint:revive // as the interface says
func (Anywhere) WriteFile(name string, content []byte, mode fs.FileMode) error { //nolint:revive // as the interface says
	return os.WriteFile(name, content, mode)
}
