package generate

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
)

// pending is a file on its way into place.
type pending struct {
	path    string // relative to the folder, with the system's separators
	temp    string
	old     []byte
	existed bool
	mode    fs.FileMode
	placed  bool
}

// Write puts the outputs below dir and returns the paths of those that were new or different, in their order.
// Others are not touched. All are written to temporary files first and then renamed; when anything goes wrong, what
// was there before is there again and nothing else is. Symbolic links that lead out of dir are refused.
func Write(dir string, outputs []Output) (changed []string, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("write to %s: %w", dir, cause(err))
	}
	defer func() { _ = root.Close() }() // a folder has nothing to save
	w := &writer{root: root}
	for _, out := range outputs {
		if err := w.prepare(out); err != nil {
			w.undo()
			return nil, fmt.Errorf("write %s: %w", filepath.Join(dir, filepath.FromSlash(out.Path)), cause(err))
		}
	}
	for _, p := range w.files {
		if err := root.Rename(p.temp, p.path); err != nil {
			w.undo()
			return nil, fmt.Errorf("write %s: %w", filepath.Join(dir, p.path), cause(err))
		}
		p.placed = true
		changed = append(changed, filepath.ToSlash(p.path))
	}
	return changed, nil
}

// Stale returns the paths of the outputs that are missing below dir or have other content, in their order.
func Stale(dir string, outputs []Output) ([]string, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("compare with %s: %w", dir, cause(err))
	}
	defer func() { _ = root.Close() }() // a folder has nothing to save
	var stale []string
	for _, out := range outputs {
		content, err := root.ReadFile(filepath.FromSlash(out.Path))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("compare with %s: %w", filepath.Join(dir, filepath.FromSlash(out.Path)), cause(err))
		}
		if err != nil || !bytes.Equal(content, out.Content) {
			stale = append(stale, out.Path)
		}
	}
	return stale, nil
}

// writer is the state of one call of Write.
type writer struct {
	root    *os.Root
	files   []*pending
	folders []string // that were made
}

// prepare writes an output to a temporary file beside its place, unless the place has it.
func (w *writer) prepare(out Output) error {
	p := &pending{path: filepath.FromSlash(out.Path), mode: 0o644}
	info, err := w.root.Stat(p.path)
	switch {
	case err == nil && !info.Mode().IsRegular():
		return errors.New("there is something else of that name")
	case err == nil:
		p.existed, p.mode = true, info.Mode().Perm()
		if p.old, err = w.root.ReadFile(p.path); err != nil {
			return err
		}
		if bytes.Equal(p.old, out.Content) {
			return nil
		}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if err := w.folder(path.Dir(out.Path)); err != nil {
		return err
	}
	p.temp = filepath.Join(filepath.Dir(p.path), ".panda-"+rand.Text())
	w.files = append(w.files, p)
	return w.root.WriteFile(p.temp, out.Content, p.mode)
}

// folder makes a folder and those above it, and remembers which are new.
func (w *writer) folder(name string) error {
	if name == "." {
		return nil
	}
	if info, err := w.root.Stat(filepath.FromSlash(name)); err == nil && info.IsDir() {
		return nil
	}
	if err := w.folder(path.Dir(name)); err != nil {
		return err
	}
	if err := w.root.Mkdir(filepath.FromSlash(name), 0o755); err != nil {
		return err
	}
	w.folders = append(w.folders, filepath.FromSlash(name))
	return nil
}

// undo takes back what was done; that something of it fails too is not told, since what made it necessary is.
func (w *writer) undo() {
	for _, p := range w.files {
		switch {
		case !p.placed:
			_ = w.root.Remove(p.temp)
		case p.existed:
			_ = w.root.WriteFile(p.path, p.old, p.mode)
		default:
			_ = w.root.Remove(p.path)
		}
	}
	for _, folder := range slices.Backward(w.folders) {
		_ = w.root.Remove(folder)
	}
}

// cause strips the path that the text around it names already.
func cause(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	if l, ok := errors.AsType[*os.LinkError](err); ok {
		return l.Err
	}
	return err
}
