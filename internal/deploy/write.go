package deploy

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/pandakit/panda/internal/allornone"
)

// Write puts the files into folder, which it makes if need be, and nothing outside of it: symbolic links in it that lead
// out of it are refused. Unless within is "", folder has to lie below that one, as does all that symbolic links on its
// path lead to; one that a user has named may be anywhere. shown is the folder as error texts name it. Files of other
// content are overwritten only when force says so, and of files that are the same nothing is done. When it returns an
// error nothing has changed; one that wraps [allornone.ErrExists] names the files.
func Write(folder, within, shown string, files []File, force bool) error {
	if err := fits(folder, within); err != nil {
		return inputErrorf("name another folder with --output; it may be anywhere", "write %s: %v", shown, err)
	}
	folders := allornone.Begin(allornone.Anywhere{})
	defer folders.Undo()
	if err := folders.MakeFolder(folder); err != nil {
		return fmt.Errorf("write %s: %w", shown, allornone.Cause(err))
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return fmt.Errorf("write %s: %w", shown, allornone.Cause(err))
	}
	defer func() { _ = root.Close() }() // a folder has nothing to save
	var all []allornone.File
	for _, f := range files {
		all = append(all, allornone.File{Path: f.Path, Content: f.Content})
	}
	if err := allornone.CheckFree(root, "", all, force); err != nil {
		return fmt.Errorf("write %s: %w", shown, err)
	}
	transaction := allornone.Begin(root)
	defer transaction.Undo() // while root is open
	if _, err := transaction.Write(all); err != nil {
		return fmt.Errorf("write %s: %w", shown, allornone.Cause(err))
	}
	transaction.Keep()
	folders.Keep()
	return nil
}

// fits makes sure that what exists of the folder's path is a folder and, links followed, lies in within, if that is not "".
func fits(folder, within string) error {
	at := folder
	info, err := os.Stat(at)
	for err != nil && at != filepath.Dir(at) {
		if _, linked := os.Lstat(at); linked == nil {
			return fmt.Errorf("the symbolic link %s leads to nothing that can be read: %w", at, allornone.Cause(err))
		}
		at = filepath.Dir(at)
		info, err = os.Stat(at)
	}
	switch {
	case err != nil:
		return allornone.Cause(err)
	case !info.IsDir():
		return fmt.Errorf("%s is not a folder", at)
	case within == "":
		return nil
	}
	there, err := filepath.EvalSymlinks(at)
	if err != nil {
		return allornone.Cause(err)
	}
	if within, err = filepath.EvalSymlinks(within); err != nil {
		return allornone.Cause(err)
	}
	if relative, err := filepath.Rel(within, there); err != nil || !filepath.IsLocal(relative) {
		return fmt.Errorf("%s leads out of the workspace %s", at, within)
	}
	return nil
}
