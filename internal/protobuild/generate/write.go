package generate

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/pandakit/panda/internal/allornone"
)

// Write puts the outputs below dir and returns the paths of those that were new or different, in their order.
// Others are not touched. All are written to temporary files first and then renamed; when anything goes wrong, what
// was there before is there again and nothing else is. Symbolic links that lead out of dir are refused.
func Write(dir string, outputs []Output) (changed []string, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("write to %s: %w", dir, allornone.Cause(err))
	}
	defer func() { _ = root.Close() }() // a folder has nothing to save
	transaction := allornone.Begin(root)
	defer transaction.Undo() // while root is open
	var files []allornone.File
	for _, out := range outputs {
		files = append(files, allornone.File(out))
	}
	changed, err = transaction.Write(files)
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return nil, fmt.Errorf("write %s: %w", filepath.Join(dir, filepath.FromSlash(p.Path)), p.Err)
	}
	if err != nil {
		return nil, err
	}
	transaction.Keep()
	return changed, nil
}

// Stale returns the paths of the outputs that are missing below dir or have other content, in their order.
func Stale(dir string, outputs []Output) ([]string, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("compare with %s: %w", dir, allornone.Cause(err))
	}
	defer func() { _ = root.Close() }() // a folder has nothing to save
	var stale []string
	for _, out := range outputs {
		content, err := root.ReadFile(filepath.FromSlash(out.Path))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("compare with %s: %w", filepath.Join(dir, filepath.FromSlash(out.Path)), allornone.Cause(err))
		}
		if err != nil || !bytes.Equal(content, out.Content) {
			stale = append(stale, out.Path)
		}
	}
	return stale, nil
}
