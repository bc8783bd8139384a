package find

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// The call that makes a program a service.
const (
	pandaPath   = "github.com/pandakit/panda"
	constructor = "NewService"
)

// source answers questions about the Go files of one module; each package is parsed once, when it is first asked for.
type source struct {
	packages map[string]*goPackage // by import path
	facts    map[string]facts
}

// facts is what matters here about a package.
type facts struct {
	constructs bool
	service    string   // the name given to NewService; "" when it is not a constant
	imports    []string // of the same module
}

func newSource(packages []*goPackage) *source {
	s := &source{make(map[string]*goPackage, len(packages)), make(map[string]facts)}
	for _, p := range packages {
		s.packages[p.ImportPath] = p
	}
	return s
}

// serviceOf returns the name of the service that program announces, or "". Its own files are asked first,
// then what it imports, nearest first.
func (s *source) serviceOf(program *goPackage) string {
	if program.ImportPath == pandaPath+"/cmd/panda" {
		return "" // this command is never one of the services it starts
	}
	queue, seen := []*goPackage{program}, map[string]bool{program.ImportPath: true}
	for len(queue) > 0 {
		known := s.factsOf(queue[0])
		queue = queue[1:]
		if known.constructs {
			if known.service != "" {
				return known.service
			}
			return filepath.Base(program.Dir)
		}
		for _, path := range known.imports {
			if !seen[path] {
				seen[path] = true
				queue = append(queue, s.packages[path])
			}
		}
	}
	return ""
}

func (s *source) factsOf(p *goPackage) facts {
	if known, ok := s.facts[p.ImportPath]; ok {
		return known
	}
	var known facts
	var files []*ast.File
	for _, name := range p.files() {
		path := filepath.Join(p.Dir, name)
		file, _ := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution) // what could be read of a broken file is used
		if file == nil {
			continue
		}
		files = append(files, file)
		known.imports = append(known.imports, s.ownImports(file)...)
		known.constructs = known.constructs || slices.Contains(p.InvalidGoFiles, name) && mentions(path)
	}
	constants := constantsOf(files)
	for _, file := range files {
		if call, ok := findCall(file); ok {
			known.constructs = true
			if known.service = nameOf(call, constants); known.service != "" {
				break
			}
		}
	}
	s.facts[p.ImportPath] = known
	return known
}

// mentions is the last resort for a file whose imports cannot be parsed: it will not compile, and is to be
// named by the compiler rather than be passed over.
func mentions(path string) bool {
	text, err := os.ReadFile(path) //nolint:gosec // a file of the workspace
	return err == nil && strings.Contains(string(text), pandaPath) && strings.Contains(string(text), "."+constructor+"(")
}

func (s *source) ownImports(file *ast.File) []string {
	var own []string
	for _, spec := range file.Imports {
		if path, err := strconv.Unquote(spec.Path.Value); err == nil && s.packages[path] != nil && path != pandaPath {
			own = append(own, path)
		}
	}
	return own
}

// findCall finds the first use of panda.NewService; call is nil when it is used but not called.
func findCall(file *ast.File) (call *ast.CallExpr, found bool) {
	local := localName(file)
	if local == "" {
		return nil, false
	}
	ast.Inspect(file, func(node ast.Node) bool {
		if c, ok := node.(*ast.CallExpr); ok && call == nil && isConstructor(c.Fun, local) {
			call = c
		}
		if e, ok := node.(ast.Expr); ok && isConstructor(e, local) {
			found = true
		}
		return call == nil
	})
	return call, found || call != nil
}

// localName returns what the file calls package panda, "." for an import into its own names, or "".
func localName(file *ast.File) string {
	for _, spec := range file.Imports {
		if path, err := strconv.Unquote(spec.Path.Value); err != nil || path != pandaPath {
			continue
		}
		switch {
		case spec.Name == nil:
			return "panda"
		case spec.Name.Name != "_":
			return spec.Name.Name
		}
	}
	return ""
}

func isConstructor(e ast.Expr, local string) bool {
	if name, ok := e.(*ast.Ident); ok {
		return local == "." && name.Name == constructor
	}
	selector, ok := e.(*ast.SelectorExpr)
	if !ok || selector.Sel.Name != constructor {
		return false
	}
	name, ok := selector.X.(*ast.Ident)
	return ok && name.Name == local
}

// nameOf returns the first argument of call when it is a string literal or a constant set to one, or "".
func nameOf(call *ast.CallExpr, constants map[string]string) string {
	if call == nil || len(call.Args) == 0 {
		return ""
	}
	if name, ok := call.Args[0].(*ast.Ident); ok {
		return constants[name.Name]
	}
	return literal(call.Args[0])
}

// constantsOf returns the package's top-level string constants.
func constantsOf(files []*ast.File) map[string]string {
	constants := make(map[string]string)
	for _, file := range files {
		for _, declaration := range file.Decls {
			general, ok := declaration.(*ast.GenDecl)
			if !ok || general.Tok != token.CONST {
				continue
			}
			for _, spec := range general.Specs {
				if values, ok := spec.(*ast.ValueSpec); ok && len(values.Names) == len(values.Values) {
					for i, name := range values.Names {
						constants[name.Name] = literal(values.Values[i])
					}
				}
			}
		}
	}
	return constants
}

func literal(e ast.Expr) string {
	basic, ok := e.(*ast.BasicLit)
	if !ok || basic.Kind != token.STRING {
		return ""
	}
	text, err := strconv.Unquote(basic.Value)
	if err != nil {
		return ""
	}
	return text
}
