package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const (
	root   = "../.."
	module = "github.com/pandakit/panda"
)

// goFile is one Go file of the repository, of whatever module and build constraint.
type goFile struct {
	path      string // from the repository's root, with slashes
	dir       string // "." for the root
	lines     int
	test      bool
	generated bool
	syntax    *ast.File
}

// tree is every file of the repository that Git would keep.
type tree struct {
	fset  *token.FileSet
	files []*goFile
	text  []string // paths of other files
}

// loadTree parses the repository once for all tests.
var loadTree = sync.OnceValues(func() (*tree, error) {
	t := &tree{fset: token.NewFileSet()}
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		switch {
		case skipped(rel) && entry.IsDir():
			return filepath.SkipDir
		case skipped(rel), !entry.Type().IsRegular():
			return nil
		}
		if path.Ext(rel) != ".go" || strings.Contains(rel, "testdata/") {
			t.text = append(t.text, rel)
			return nil
		}
		file, err := t.parse(rel)
		t.files = append(t.files, file)
		return err
	})
	return t, err
})

func skipped(rel string) bool {
	base := path.Base(rel)
	return rel == "bin" || rel == "dist" || rel != "." && (base[0] == '.' && base != ".ci" || base[0] == '_')
}

func (t *tree) parse(rel string) (*goFile, error) {
	source, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(rel)))
	if err != nil {
		return nil, fmt.Errorf("read the tree: %w", err)
	}
	syntax, err := parser.ParseFile(t.fset, rel, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("read the tree: %w", err)
	}
	return &goFile{
		path:      rel,
		dir:       path.Dir(rel),
		lines:     strings.Count(string(source), "\n"),
		test:      strings.HasSuffix(rel, "_test.go"),
		generated: ast.IsGenerated(syntax),
		syntax:    syntax,
	}, nil
}

// repository returns the parsed tree, or ends the test.
func repository(t *testing.T) *tree {
	t.Helper()
	loaded, err := loadTree()
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

// otherModules are modules of their own, which nobody imports; layers and most bans do not bind them.
var otherModules = []string{"bench/...", "conformance/...", "examples/...", "tools/..."}

// inRootModule reports whether the file belongs to the module that users import.
func (f *goFile) inRootModule() bool { return !anyMatch(otherModules, f.dir) }

// at returns where a node stands, as path:line.
func (t *tree) at(pos token.Pos) string {
	p := t.fset.Position(pos)
	return p.Filename + ":" + strconv.Itoa(p.Line)
}

// matches reports whether a folder is in a pattern: itself, or with "/..." at the end anything below.
func matches(pattern, dir string) bool {
	base, below := strings.CutSuffix(pattern, "/...")
	return dir == base || below && strings.HasPrefix(dir, base+"/")
}

// imported is one import of a file; dir is its folder when it is a package of this repository.
type imported struct {
	path string
	dir  string
	pos  token.Pos
}

func (f *goFile) imports() []imported {
	list := make([]imported, 0, len(f.syntax.Imports))
	for _, spec := range f.syntax.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue // the parser takes nothing that cannot be unquoted
		}
		entry := imported{path: name, pos: spec.Pos()}
		if name == module {
			entry.dir = "."
		} else if rest, ok := strings.CutPrefix(name, module+"/"); ok {
			entry.dir = rest
		}
		list = append(list, entry)
	}
	return list
}

// selectors calls visit for each pkg.Name in the file where pkg is the import of importPath.
func (f *goFile) selectors(importPath string, visit func(name string, pos token.Pos)) {
	local := f.localName(importPath)
	if local == "" {
		return
	}
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if id, ok := sel.X.(*ast.Ident); ok && id.Name == local {
				visit(sel.Sel.Name, sel.Pos())
			}
		}
		return true
	})
}

func (f *goFile) localName(importPath string) string {
	for _, spec := range f.syntax.Imports {
		if spec.Path.Value != strconv.Quote(importPath) {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		return path.Base(importPath)
	}
	return ""
}
