package protobuild

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pandakit/panda/internal/nearname"
)

// reader reads the files of a source, each root in a sandbox that symbolic links cannot leave.
type reader struct {
	src   *Source
	roots []openRoot
	own   map[string]bool // the files of the source, by name
}

type openRoot struct {
	prefix string // of paths within dir, "." or with slashes
	shown  string // what problems' paths begin with
	dir    *os.Root
}

// newReader opens the roots; the caller closes the reader.
func newReader(src *Source) (*reader, error) {
	r := &reader{src: src, own: make(map[string]bool, len(src.Files))}
	for _, name := range src.Files {
		r.own[name] = true
	}
	roots := src.Roots
	if len(roots) == 0 {
		roots = []string{"."}
	}
	for _, root := range roots {
		opened, err := openSandbox(src.Dir, root)
		if err != nil {
			r.close()
			return nil, err
		}
		r.roots = append(r.roots, opened)
	}
	return r, nil
}

// openSandbox opens the folder of the source for a root within it, so that a link to another part of the folder
// may be followed, and the root itself for one outside.
func openSandbox(dir, root string) (openRoot, error) {
	at := filepath.FromSlash(root)
	if filepath.IsAbs(at) {
		if relative, err := filepath.Rel(dir, at); err == nil && filepath.IsLocal(relative) {
			at = relative
		}
	}
	if !filepath.IsAbs(at) {
		if !filepath.IsLocal(at) {
			return openRoot{}, fmt.Errorf("root %q leads out of %s", root, dir)
		}
		opened, err := os.OpenRoot(dir)
		if err != nil {
			return openRoot{}, fmt.Errorf("open %s: %w", dir, cause(err))
		}
		prefix := path.Clean(filepath.ToSlash(at))
		return openRoot{prefix, prefix, opened}, nil
	}
	opened, err := os.OpenRoot(at)
	if err != nil {
		return openRoot{}, fmt.Errorf("open root %s: %w", root, cause(err))
	}
	return openRoot{".", filepath.ToSlash(at), opened}, nil
}

func (r *reader) close() {
	for _, root := range r.roots {
		_ = root.dir.Close() // only read
	}
}

// cause strips the path that the text around it names already.
func cause(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

// read returns the content of the file that imports call name and the path that problems call it, which is set
// whatever the error. The error wraps [fs.ErrNotExist] when no root has the file; any other is a text for people.
func (r *reader) read(name string) (content []byte, shown string, err error) {
	for _, root := range r.roots {
		shown = path.Join(root.shown, name)
		content, err = readWithin(root, name)
		if !errors.Is(err, fs.ErrNotExist) {
			return content, shown, err
		}
	}
	if content, err := standardFiles.ReadFile(path.Join(standardFolder, name)); err == nil {
		return content, name, nil
	}
	return nil, path.Join(r.roots[0].shown, name), fs.ErrNotExist
}

func readWithin(root openRoot, name string) ([]byte, error) {
	file, err := root.dir.Open(filepath.FromSlash(path.Join(root.prefix, name)))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fs.ErrNotExist
		}
		if strings.Contains(err.Error(), "escapes") {
			return nil, errors.New("a symbolic link leads out of the folder; put the file, or a copy of it, inside")
		}
		return nil, cause(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, cause(err)
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a file")
	}
	content, err := io.ReadAll(io.LimitReader(file, MaxFileSize+1))
	if err != nil {
		return nil, cause(err)
	}
	if len(content) > MaxFileSize {
		return nil, fmt.Errorf("larger than %d MiB; split it", MaxFileSize>>20)
	}
	return content, nil
}

// badImport says what is wrong with the name of an import before anything is looked up, or "".
func badImport(name string) string {
	switch {
	case name == "":
		return "the import names no file"
	case strings.Contains(name, `\`):
		return fmt.Sprintf("import %q: names of imports have slashes, not backslashes", name)
	case path.IsAbs(name):
		return fmt.Sprintf("import %q is outside of the roots; imports are named from a root, not from /", name)
	case !filepath.IsLocal(filepath.FromSlash(name)) || strings.HasPrefix(path.Clean(name), "../"):
		return fmt.Sprintf("import %q leads out of the roots; name the file from the root that has it", name)
	case path.Clean(name) != name:
		return fmt.Sprintf("import %q has another form than %q, which is the one that counts", name, path.Clean(name))
	}
	return ""
}

// missing explains that no root has the file of an import.
func (r *reader) missing(name string) string {
	text := fmt.Sprintf("import %q is not found", name)
	if near := r.near(name); len(near) > 0 {
		return text + "; near: " + strings.Join(near, ", ")
	}
	shown := make([]string, len(r.roots))
	for i, root := range r.roots {
		shown[i] = root.shown
	}
	return text + " below " + strings.Join(shown, ", ")
}

// near returns names of files that a wrong import may have meant: of the same base name first, then like ones of
// the same folder, which most of a path's letters say, then near ones.
func (r *reader) near(name string) []string {
	known := slices.Concat(r.src.Files, standardNames())
	slices.Sort(known)
	known = slices.Compact(known)
	var same, siblings []string
	for _, k := range known {
		if path.Dir(k) == path.Dir(name) {
			siblings = append(siblings, path.Base(k))
		}
		if path.Base(k) == path.Base(name) && len(same) < nearname.Most && !slices.Contains(same, k) {
			same = append(same, k)
		}
	}
	if len(same) > 0 {
		return same
	}
	for _, base := range nearname.Of(path.Base(name), siblings) {
		same = append(same, path.Join(path.Dir(name), base))
	}
	if len(same) > 0 {
		return same
	}
	return nearname.Of(name, known)
}
