package protobuild

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/bufbuild/protocompile/ast"
	"github.com/bufbuild/protocompile/linker"
	"github.com/bufbuild/protocompile/parser"
	"github.com/bufbuild/protocompile/reporter"
	"golang.org/x/sync/errgroup"
)

// unit is one file on its way to a descriptor.
type unit struct {
	name    string // as imports name it
	shown   string // as problems name it
	content []byte
	parsed  parser.Result // nil when it has a syntax error
	imports []imported
	ready   linker.File // set without parsing for files that are part of this program, else by linking
	broken  bool        // it has a problem, or imports what has
	absent  bool        // no root has it
}

type imported struct {
	name   string
	offset int // of the name in the file
}

// compilation is the state of one call of Compile.
type compilation struct {
	reader *reader
	units  map[string]*unit

	mu       sync.Mutex
	problems []Problem
	warnings []Problem
}

// Compile parses, links and checks all files of src and what they import. The error is a *[ProblemsError] when
// files are wrong, and has every problem that can be told: a file that imports a broken one is not judged further
// than its syntax. Any other error is about reading folders. The order of problems, and the descriptors, are the same each time.
func Compile(ctx context.Context, src *Source) (*Compiled, error) {
	r, err := newReader(src)
	if err != nil {
		return nil, err
	}
	defer r.close()
	c := &compilation{reader: r, units: map[string]*unit{}}
	if err := c.parseAll(ctx); err != nil {
		return nil, err
	}
	files, err := c.link(ctx)
	if err != nil {
		return nil, err
	}
	if len(c.problems) > 0 {
		return nil, &ProblemsError{withoutConsequences(sorted(c.problems))}
	}
	return &Compiled{Source: src, Files: files, Warnings: sorted(c.warnings)}, nil
}

func sorted(problems []Problem) []Problem {
	slices.SortFunc(problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Message, b.Message))
	})
	return slices.Compact(problems)
}

// duplicate is what the linker says of a name that is taken.
var duplicate = regexp.MustCompile(`^symbol "(.+)" already defined at `)

// withoutConsequences leaves out the fields and values of a message or enum whose own name is taken already.
func withoutConsequences(problems []Problem) []Problem {
	taken := map[string]bool{} // by file and name
	for _, p := range problems {
		if match := duplicate.FindStringSubmatch(p.Message); match != nil {
			taken[p.File+":"+match[1]] = true
		}
	}
	return slices.DeleteFunc(problems, func(p Problem) bool {
		match := duplicate.FindStringSubmatch(p.Message)
		if match == nil {
			return false
		}
		for parent, _, ok := cutLast(match[1]); ok; parent, _, ok = cutLast(parent) {
			if taken[p.File+":"+parent] {
				return true
			}
		}
		return false
	})
}

// cutLast splits a name at its last dot.
func cutLast(name string) (parent, last string, ok bool) {
	i := strings.LastIndexByte(name, '.')
	if i < 0 {
		return "", name, false
	}
	return name[:i], name[i+1:], true
}

// parseAll reads the source's files, then what those import, until nothing new is named.
func (c *compilation) parseAll(ctx context.Context) error {
	next := slices.Clone(c.reader.src.Files)
	for len(next) > 0 {
		level := make([]*unit, len(next))
		for i, name := range next {
			level[i] = &unit{name: name}
			c.units[name] = level[i]
		}
		if len(c.units) > MaxFiles {
			return fmt.Errorf("compile %s: more than %d .proto files; name fewer, or exclude folders", c.reader.src.Dir, MaxFiles)
		}
		group, bounded := errgroup.WithContext(ctx)
		group.SetLimit(runtime.GOMAXPROCS(0))
		for _, u := range level {
			group.Go(func() error {
				if err := bounded.Err(); err != nil {
					return err
				}
				c.parse(u)
				return nil
			})
		}
		if err := group.Wait(); err != nil {
			return err
		}
		next = c.named(level)
	}
	return nil
}

// named returns the imports of the units that are not known yet, in the order in which they are first named.
// A wrong import is a problem here.
func (c *compilation) named(level []*unit) []string {
	var names []string
	seen := map[string]bool{}
	for _, u := range level {
		for _, imp := range u.imports {
			if text := badImport(imp.name); text != "" {
				c.problemAt(u, imp.offset, text)
				continue
			}
			if seen[imp.name] || c.units[imp.name] != nil {
				continue
			}
			seen[imp.name] = true
			names = append(names, imp.name)
		}
	}
	return names
}

// parse reads and parses one file. A file that is not there is told where it is imported, by link.
func (c *compilation) parse(u *unit) {
	if !c.reader.own[u.name] {
		if fd := wellKnownFile(u.name); fd != nil {
			u.shown = u.name
			c.guard(u, func() { u.ready, _ = linker.NewFileRecursive(fd) })
			return
		}
	}
	content, shown, err := c.reader.read(u.name)
	u.shown = shown
	if err != nil {
		u.broken, u.absent = true, errors.Is(err, fs.ErrNotExist)
		if !u.absent || c.reader.own[u.name] {
			c.problem(u, Problem{File: shown, Message: fmt.Sprintf("read it: %v", err)})
		}
		return
	}
	u.content = content
	if offset, text := unreadable(content); text != "" {
		c.problemAt(u, offset, text)
		return
	}
	c.guard(u, func() { c.parseContent(u) })
}

func (c *compilation) parseContent(u *unit) {
	handler := c.handler(u)
	file, err := parser.Parse(u.name, bytes.NewReader(u.content), handler)
	if file != nil {
		for _, decl := range file.Decls {
			if imp, ok := decl.(*ast.ImportNode); ok && imp.Name != nil {
				u.imports = append(u.imports, imported{imp.Name.AsString(), file.NodeInfo(imp.Name).Start().Offset})
			}
		}
	}
	if err != nil || u.broken {
		u.broken = true
		return
	}
	result, err := parser.ResultFromAST(file, true, handler)
	if err != nil || u.broken {
		u.broken = true
		return
	}
	u.parsed = result
}

// guard turns a panic of the parser or linker, which read what strangers wrote, into a problem of the file.
func (c *compilation) guard(u *unit, do func()) {
	defer func() {
		if r := recover(); r != nil {
			c.problem(u, Problem{File: u.shown, Message: fmt.Sprintf("the compiler stumbles over this file: %v", r)})
		}
	}()
	do()
}

// handler collects what is wrong with u and keeps the parser and the linker going.
func (c *compilation) handler(u *unit) *reporter.Handler {
	return reporter.NewHandler(reporter.NewReporter(
		func(err reporter.ErrorWithPos) error {
			c.report(u, err)
			return nil
		},
		func(err reporter.ErrorWithPos) {
			if !c.reader.own[u.name] || errors.Is(err, parser.ErrNoSyntax) {
				return
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			c.warnings = append(c.warnings, u.at(err.GetPosition().Offset, err.Unwrap().Error()))
		},
	))
}

// report notes what the parser or linker says while it is at u; the place may be in a file that u imports.
func (c *compilation) report(u *unit, err reporter.ErrorWithPos) {
	u.broken = true
	at := u
	if other := c.units[err.GetPosition().Filename]; other != nil {
		at = other
	}
	text := err.Unwrap().Error()
	if strings.HasPrefix(text, "syntax error: unexpected error") {
		return // the scanner has told what it is
	}
	text = strings.ReplaceAll(text, "unexpected $end", "unexpected end of file")
	c.problem(at, at.at(err.GetPosition().Offset, text))
}

func (c *compilation) problemAt(u *unit, offset int, text string) { c.problem(u, u.at(offset, text)) }

func (c *compilation) problem(u *unit, p Problem) {
	c.mu.Lock()
	defer c.mu.Unlock()
	u.broken = true
	c.problems = append(c.problems, p)
}

// at is a problem at an offset, in bytes, of u's content.
func (u *unit) at(offset int, text string) Problem {
	offset = max(0, min(offset, len(u.content)))
	before := u.content[:offset]
	start := bytes.LastIndexByte(before, '\n') + 1
	line, _, _ := bytes.Cut(u.content[start:], []byte("\n"))
	return Problem{
		File:    u.shown,
		Line:    bytes.Count(before, []byte("\n")) + 1,
		Column:  utf8.RuneCount(before[start:]) + 1,
		Message: text,
		Text:    strings.ToValidUTF8(strings.TrimRight(string(line), "\r"), "\uFFFD"),
	}
}
