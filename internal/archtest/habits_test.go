package archtest

import (
	"go/ast"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	maxFileLines     = 800
	maxFunctionLines = 80
)

// functions returns the file's functions and methods that have a body.
func (f *goFile) functions() []*ast.FuncDecl {
	var list []*ast.FuncDecl
	for _, decl := range f.syntax.Decls {
		if fn, ok := decl.(*ast.FuncDecl); ok && fn.Body != nil {
			list = append(list, fn)
		}
	}
	return list
}

func TestSizes(t *testing.T) {
	tree := repository(t)
	for _, f := range tree.files {
		if f.generated {
			continue
		}
		if f.lines > maxFileLines {
			t.Errorf("%s: %d lines; split it by concept, %d is the most", f.path, f.lines, maxFileLines)
		}
		for _, fn := range f.functions() {
			lines := tree.fset.Position(fn.End()).Line - tree.fset.Position(fn.Pos()).Line + 1
			if lines > maxFunctionLines {
				t.Errorf("%s: %s has %d lines; %d is the most", tree.at(fn.Pos()), fn.Name.Name, lines, maxFunctionLines)
			}
		}
	}
}

// vague are names that say nothing of what a package is for.
var vague = []string{"util", "utils", "common", "helper", "helpers", "misc", "shared", "base", "lib", "types"}

func TestPackageNames(t *testing.T) {
	tree := repository(t)
	for _, f := range tree.files {
		if slices.Contains(vague, f.syntax.Name.Name) || slices.Contains(vague, path.Base(f.dir)) {
			t.Errorf("%s: a package is named after what it provides, not %q", f.path, f.syntax.Name.Name)
		}
	}
}

// TestOnePackageDoc leaves out tests, and code that is generated, which has the comment that its
// generator gives it.
func TestOnePackageDoc(t *testing.T) {
	tree := repository(t)
	docs := map[string][]string{} // files with a package comment, by folder
	for _, f := range tree.files {
		if f.test || f.generated {
			continue
		}
		found := docs[f.dir]
		if f.syntax.Doc != nil {
			found = append(found, f.path)
		}
		docs[f.dir] = found
		want := "Package " + f.syntax.Name.Name + " "
		if f.syntax.Name.Name == "main" {
			want = "Command " + path.Base(f.dir) + " "
		}
		if f.syntax.Doc != nil && !strings.HasPrefix(f.syntax.Doc.Text(), want) {
			t.Errorf("%s: the package comment begins with %q", f.path, want)
		}
	}
	for dir, files := range docs {
		if len(files) != 1 {
			t.Errorf("%s: %d package comments %v; one says what the package is for, and what it never does", dir, len(files), files)
		}
	}
}

// TestNoSleepInTests allows sleeping only where time is fake: inside the function that synctest.Test runs.
func TestNoSleepInTests(t *testing.T) {
	tree := repository(t)
	for _, f := range tree.files {
		l, _ := layerOf(f.dir)
		if !f.test && l != layerTesting {
			continue
		}
		bubbles := f.bubbles()
		f.selectors("time", func(name string, pos token.Pos) {
			inBubble := slices.ContainsFunc(bubbles, func(b ast.Node) bool { return b.Pos() <= pos && pos < b.End() })
			if name == "Sleep" && !inBubble {
				t.Errorf("%s: time.Sleep: wait on the condition itself, or use fake time from testing/synctest", tree.at(pos))
			}
		})
	}
}

// bubbles returns the calls of synctest.Test in the file.
func (f *goFile) bubbles() []ast.Node {
	var calls []ast.Node
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		if sel, ok := call.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "Test" {
			if id, ok := sel.X.(*ast.Ident); ok && id.Name == "synctest" {
				calls = append(calls, call)
			}
		}
		return true
	})
	return calls
}

// TestGoroutinesAreLeakChecked wants goleak in the tests of each package of the root module that starts
// goroutines.
func TestGoroutinesAreLeakChecked(t *testing.T) {
	tree := repository(t)
	starts, checked := map[string]string{}, map[string]bool{}
	for _, f := range tree.files {
		if !f.inRootModule() {
			continue
		}
		if f.test {
			checked[f.dir] = checked[f.dir] || f.localName("go.uber.org/goleak") != ""
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			if startsGoroutine(n) {
				starts[f.dir] = tree.at(n.Pos())
			}
			return true
		})
	}
	for dir, where := range starts {
		if l, _ := layerOf(dir); !checked[dir] && l != layerTesting {
			t.Errorf("%s: %s starts a goroutine, and no test of it checks for leaks with goleak", where, dir)
		}
	}
}

// startsGoroutine reports whether n is a go statement, or a call such as WaitGroup's and errgroup's Go.
func startsGoroutine(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.GoStmt:
		return true
	case *ast.CallExpr:
		sel, ok := n.Fun.(*ast.SelectorExpr)
		return ok && sel.Sel.Name == "Go" && len(n.Args) == 1
	}
	return false
}

// TestErrorTexts holds the form of error texts: lower case, the act and the value, no chain of failures.
func TestErrorTexts(t *testing.T) {
	tree := repository(t)
	for _, f := range tree.files {
		if f.test || f.generated {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || !makesError(call) {
				return true
			}
			lit, ok := call.Args[0].(*ast.BasicLit)
			if !ok {
				return true
			}
			text, err := strconv.Unquote(lit.Value)
			if err == nil && strings.Contains(strings.ToLower(text), "failed to") {
				t.Errorf("%s: %q: name the act and the value; that it went wrong is what an error says already", tree.at(lit.Pos()), text)
			}
			return true
		})
	}
}

func makesError(call *ast.CallExpr) bool {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || len(call.Args) == 0 {
		return false
	}
	id, ok := sel.X.(*ast.Ident)
	if !ok {
		return false
	}
	name := id.Name + "." + sel.Sel.Name
	return name == "fmt.Errorf" || name == "errors.New" || name == "command.Usagef"
}

// unwanted are words that no file of the repository holds; the patterns are written so that they do not
// match themselves.
var unwanted = []struct {
	pattern *regexp.Regexp
	reason  string
}{
	{regexp.MustCompile(`\bTO[D]O\b|\bFIX[M]E\b|\bXX[X]\b`), "do it, or write an issue"},
	{regexp.MustCompile(`(^|[\s"'(=])/(work|root|home)/[\w]`), "a path of one machine"},
	{regexp.MustCompile(`(?i)\bas an a[i]\b|language mode[l]`), "the project speaks of itself"},
}

func TestUnwantedWords(t *testing.T) {
	tree := repository(t)
	names := slices.Clone(tree.text)
	for _, f := range tree.files {
		names = append(names, f.path)
	}
	for _, name := range names {
		content, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		for number, line := range strings.Split(string(content), "\n") {
			for _, u := range unwanted {
				if u.pattern.MatchString(line) {
					t.Errorf("%s:%d: %q: %s", name, number+1, strings.TrimSpace(line), u.reason)
				}
			}
		}
	}
}
