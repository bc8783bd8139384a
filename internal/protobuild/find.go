package protobuild

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bufbuild/protocompile/parser/fastscan"
)

// importOnly are folders whose files are there to be imported, and are nobody's own.
var importOnly = []string{"third_party", "third-party", "thirdparty"}

// conventional is the folder from which imports are named unless something else is said.
const conventional = "proto"

// Find looks for .proto files in dir and below. It skips folders that are hidden or begin with _, those named
// vendor, node_modules and testdata, and folders with a go.mod of their own, which are other modules; see [Modules].
// Files below a folder third_party are only there for others to import.
//
// The roots are those of s, or what convention and the files' own imports say: a folder "proto" is one, and dir is
// one for the files that are in no such folder. Where imports lead to a file only if they are named from another
// folder, that folder is a root too.
//
// It is an error when dir has no .proto file, when a root does not exist or leads out of dir, and when two roots
// have a file of the same name.
func Find(dir string, s Settings) (*Source, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	w := &walker{dir: dir, exclude: s.Exclude}
	for _, pattern := range s.Exclude {
		if _, err := path.Match(pattern, ""); err != nil {
			return nil, fmt.Errorf("exclude %q: not a pattern; * and ? and [a-z] stand for parts of a name", pattern)
		}
	}
	var own, other []string
	var roots []string
	if len(s.Roots) > 0 {
		for _, root := range s.Roots {
			if root, err = w.checkRoot(root); err != nil {
				return nil, err
			}
			roots = append(roots, root)
		}
		own, _, err = w.walk(roots...)
	} else {
		own, other, err = w.walk(".")
	}
	if err != nil {
		return nil, err
	}
	if len(own) == 0 {
		return nil, &NoFilesError{Dir: dir, Roots: roots}
	}
	if len(roots) == 0 {
		roots = guessRoots(dir, own, other)
	}
	return name(dir, roots, own)
}

// NamedByPackages returns the source, or one of the same files named from a folder above s.Dir when their packages say so:
// shop/v1/a.proto of package shop.v1 is named so also when it was found in the folder shop/v1. All files of which
// the package fits their folders must agree, and the others come along. It is for folders that no go.mod
// and no panda.yaml gives a root; nothing more than was found is read, but what these files import.
func (s *Source) NamedByPackages() *Source {
	root, agreed := "", len(s.Roots) == 1 && s.Roots[0] == "."
	for _, name := range s.Files {
		file := filepath.Join(s.Dir, filepath.FromSlash(name))
		at, fits := rootOf(file)
		agreed = agreed && (!fits || root == "" || at == root)
		if fits {
			root = at
		}
	}
	prefix, err := filepath.Rel(root, s.Dir)
	if !agreed || root == "" || err != nil || prefix == "." || !filepath.IsLocal(prefix) {
		return s
	}
	named := &Source{Dir: root, Roots: []string{"."}}
	for _, name := range s.Files {
		named.Files = append(named.Files, path.Join(filepath.ToSlash(prefix), name))
	}
	return named
}

// rootOf returns the folder from which the file is named as its package is, if there is one.
func rootOf(file string) (root string, fits bool) {
	name := scanned(file).PackageName
	if name == "" {
		return "", false
	}
	parts := strings.ReplaceAll(name, ".", "/")
	at, fits := strings.CutSuffix(filepath.ToSlash(filepath.Dir(file)), "/"+parts)
	return filepath.FromSlash(at), fits && at != ""
}

// NoFilesError says that a folder has no .proto file of its own.
type NoFilesError struct {
	Dir   string
	Roots []string // that were set and searched
}

func (e *NoFilesError) Error() string {
	if len(e.Roots) > 0 {
		return fmt.Sprintf("no .proto file in %s below %s", strings.Join(e.Roots, ", "), e.Dir)
	}
	return fmt.Sprintf("no .proto file in %s or below", e.Dir)
}

// Modules returns dir and the folders below it that have a go.mod of their own, as [Find] separates them, if they
// have .proto files; sorted, dir first.
func Modules(dir string) ([]string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	var found []string
	for next := []string{dir}; len(next) > 0; {
		at := next[0]
		w := &walker{dir: at}
		own, _, err := w.walk(".")
		if err != nil {
			return nil, err
		}
		if len(own) > 0 {
			found = append(found, at)
		}
		next = append(next[1:], w.modules...)
	}
	slices.Sort(found)
	return found, nil
}

// walker looks for files below dir; its paths are relative to dir, with slashes.
type walker struct {
	dir     string
	exclude []string
	folders int
	files   int
	modules []string // folders that are modules of their own, absolute
}

// checkRoot returns the root as a path within dir.
func (w *walker) checkRoot(root string) (string, error) {
	at := filepath.FromSlash(root)
	if filepath.IsAbs(at) {
		relative, err := filepath.Rel(w.dir, at)
		if err != nil {
			return "", fmt.Errorf("root %q leads out of %s", root, w.dir)
		}
		at = relative
	}
	if !filepath.IsLocal(at) {
		return "", fmt.Errorf("root %q leads out of %s", root, w.dir)
	}
	sandbox, err := os.OpenRoot(w.dir)
	if err != nil {
		return "", fmt.Errorf("open %s: %w", w.dir, cause(err))
	}
	defer func() { _ = sandbox.Close() }() // only looked at
	info, err := sandbox.Stat(at)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("root %q: there is no such folder in %s", root, w.dir)
	case err != nil:
		return "", fmt.Errorf("root %q: it cannot be opened, or a symbolic link leads out of %s", root, w.dir)
	case !info.IsDir():
		return "", fmt.Errorf("root %q in %s is not a folder", root, w.dir)
	}
	return path.Clean(filepath.ToSlash(at)), nil
}

// walk returns the .proto files below the folders, sorted: own ones, and those that are only there to be imported.
func (w *walker) walk(folders ...string) (own, other []string, err error) {
	for _, folder := range folders {
		start := filepath.Join(w.dir, filepath.FromSlash(folder))
		err := fs.WalkDir(os.DirFS(start), ".", func(name string, entry fs.DirEntry, err error) error {
			relative := path.Join(folder, name)
			if err != nil {
				return fmt.Errorf("look for .proto files in %s: %w", filepath.Join(w.dir, filepath.FromSlash(relative)), cause(err))
			}
			if entry.IsDir() {
				return w.enter(relative, name == ".")
			}
			if path.Ext(relative) != ".proto" || w.excluded(relative) {
				return nil
			}
			if w.files++; w.files > MaxFiles {
				return fmt.Errorf("look for .proto files in %s: more than %d; name a folder within, or exclude some", w.dir, MaxFiles)
			}
			if onlyImported(relative) && len(folders) == 1 && folders[0] == "." {
				other = append(other, relative)
			} else {
				own = append(own, relative)
			}
			return nil
		})
		if err != nil {
			return nil, nil, err
		}
	}
	slices.Sort(own)
	return slices.Compact(own), other, nil
}

// enter decides whether a folder is looked into.
func (w *walker) enter(relative string, start bool) error {
	if w.folders++; w.folders > MaxFolders {
		return fmt.Errorf("look for .proto files in %s: more than %d folders; name a folder within", w.dir, MaxFolders)
	}
	if start {
		return nil
	}
	base := path.Base(relative)
	if base[0] == '.' || base[0] == '_' || slices.Contains([]string{"vendor", "node_modules", "testdata"}, base) || w.excluded(relative) {
		return fs.SkipDir
	}
	name := filepath.Join(w.dir, filepath.FromSlash(relative))
	if _, err := os.Lstat(filepath.Join(name, "go.mod")); err == nil {
		w.modules = append(w.modules, name)
		return fs.SkipDir
	}
	return nil
}

func (w *walker) excluded(relative string) bool {
	return slices.ContainsFunc(w.exclude, func(pattern string) bool {
		pattern = path.Clean(strings.TrimPrefix(pattern, "./"))
		ok, err := path.Match(pattern, relative)
		return ok && err == nil || strings.HasPrefix(relative, pattern+"/")
	})
}

func onlyImported(relative string) bool {
	return slices.ContainsFunc(strings.Split(path.Dir(relative), "/"), func(part string) bool {
		return slices.Contains(importOnly, part)
	})
}

// usualRoot is the root of a file by its path alone: down to the first folder called proto, else all of dir.
func usualRoot(file string) string {
	parts := strings.Split(path.Dir(file), "/")
	if i := slices.Index(parts, conventional); i >= 0 {
		return path.Join(parts[:i+1]...)
	}
	return "."
}

// under returns file as named from root, and whether it is below root.
func under(root, file string) (string, bool) {
	if root == "." {
		return file, true
	}
	return strings.CutPrefix(file, root+"/")
}

// guessRoots finds the roots from the paths of the files and from how they import each other. Each import that no
// usual root explains is a vote for the folder from which it would lead to a file, the nearest to the importing
// file if there are several.
func guessRoots(dir string, own, other []string) []string {
	roots := map[string]bool{}
	named := map[string]string{} // the usual root of each file, by its name from there
	for _, file := range own {
		root := usualRoot(file)
		roots[root] = true
		name, _ := under(root, file)
		named[name] = root
	}
	ownByBase, otherByBase := byBase(own), byBase(other)
	confirmed, votes := map[string]bool{}, map[string]bool{}
	for _, file := range own {
		for _, imp := range importsOf(filepath.Join(dir, filepath.FromSlash(file))) {
			if root, ok := named[imp]; ok {
				confirmed[root] = true
			} else if root, ok := voted(imp, file, ownByBase); ok {
				votes[root] = true
			} else if root, ok := voted(imp, file, otherByBase); ok && !isStandard(imp) {
				votes[root] = true
			}
		}
	}
	for vote := range votes {
		for root := range roots {
			if _, below := under(vote, root); below && root != vote && !confirmed[root] {
				delete(roots, root) // as for "proto/a.proto", imported so: proto is a part of the name
			}
		}
		roots[vote] = true
	}
	return byDepth(roots)
}

// byBase indexes files by the last part of their path.
func byBase(files []string) map[string][]string {
	index := make(map[string][]string, len(files))
	for _, file := range files {
		index[path.Base(file)] = append(index[path.Base(file)], file)
	}
	return index
}

// voted returns the folder from which the import leads to one of the files.
func voted(imp, from string, files map[string][]string) (string, bool) {
	best, found := "", false
	for _, file := range files[path.Base(imp)] {
		root, ok := strings.CutSuffix(file, "/"+imp)
		if file == imp {
			root, ok = ".", true
		}
		if ok && (!found || common(root, from) > common(best, from)) {
			best, found = root, true
		}
	}
	return best, found
}

// common counts the folders that two paths have in common at their beginning.
func common(a, b string) int {
	x, y := strings.Split(a, "/"), strings.Split(b, "/")
	n := 0
	for n < len(x) && n < len(y) && x[n] == y[n] {
		n++
	}
	return n
}

// byDepth lists roots with the deepest first, so that a file is named from the nearest.
func byDepth(roots map[string]bool) []string {
	var list []string
	for root := range roots {
		list = append(list, root)
	}
	slices.SortFunc(list, func(a, b string) int {
		depth := func(root string) int {
			if root == "." {
				return 0
			}
			return strings.Count(root, "/") + 1
		}
		if d := depth(b) - depth(a); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	return list
}

// importsOf reads what a file imports.
func importsOf(file string) []string {
	var names []string
	for _, imp := range scanned(file).Imports {
		names = append(names, imp.Path)
	}
	return names
}

// scanned is what a file says of its package and imports; nothing of one that cannot be read or is no protobuf, which
// compiling tells.
func scanned(file string) fastscan.Result {
	info, err := os.Stat(file)
	if err != nil || !info.Mode().IsRegular() || info.Size() > MaxFileSize {
		return fastscan.Result{}
	}
	content, err := os.ReadFile(file) //nolint:gosec // found below the folder that is to be compiled
	if err != nil {
		return fastscan.Result{}
	}
	found, _ := fastscan.Scan(file, bytes.NewReader(content)) // what was found before an error counts
	return found
}

// name makes the source of files that are named from the deepest of the roots that have them.
func name(dir string, roots, files []string) (*Source, error) {
	src := &Source{Dir: dir}
	seen := map[string]string{}
	used := map[string]bool{}
	for _, file := range files {
		best := ""
		for _, root := range roots {
			if _, ok := under(root, file); ok && (best == "" || best == "." || len(root) > len(best) && root != ".") {
				best = root
			}
		}
		name, _ := under(best, file)
		if before, twice := seen[name]; twice {
			return nil, fmt.Errorf("both %s and %s are %q to an import; move one into a folder named after its package, or set proto.roots or proto.exclude in panda.yaml",
				before, file, name)
		}
		seen[name] = file
		used[best] = true
		src.Files = append(src.Files, name)
	}
	for _, root := range roots {
		if used[root] || onlyImported(root+"/x") {
			src.Roots = append(src.Roots, root)
		}
	}
	slices.Sort(src.Files)
	return src, nil
}
