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

	"github.com/pandakit/panda/internal/nearname"
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
	same    *unit       // the unit of this file under another name; nil when this is the first
}

type imported struct {
	name   string
	offset int // of the name in the file
}

// compilation is the state of one call of Compile.
type compilation struct {
	reader *reader
	units  map[string]*unit
	places map[string]*unit // by the path of the file

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
	c := &compilation{reader: r, units: map[string]*unit{}, places: map[string]*unit{}}
	if err := c.parseAll(ctx); err != nil {
		return nil, err
	}
	files, err := c.link(ctx)
	if err != nil {
		return nil, err
	}
	if len(c.problems) == 0 && len(files) < len(src.Files) {
		return nil, fmt.Errorf("compile %s: %d of %d files cannot be compiled, and the compiler does not say why",
			src.Dir, len(src.Files)-len(files), len(src.Files)) // never so, but better than code for a part
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
		for parent, ok := parentOf(match[1]); ok; parent, ok = parentOf(parent) {
			if taken[p.File+":"+parent] {
				return true
			}
		}
		return false
	})
}

// parentOf returns a name up to its last dot.
func parentOf(name string) (string, bool) {
	i := strings.LastIndexByte(name, '.')
	return name[:max(i, 0)], i >= 0
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
		for _, u := range level {
			if u.same = c.places[u.shown]; u.same == nil {
				c.places[u.shown] = u
			}
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
	if u.parsed, err = parser.ResultFromAST(file, true, handler); err != nil {
		u.broken = true // its syntax is right, so that its names can be looked up all the same
	}
}

// guard turns a panic of the parser or linker, which read what strangers wrote, into a problem of the file.
func (c *compilation) guard(u *unit, do func()) {
	defer func() {
		if r := recover(); r != nil && !u.broken { // what is broken may confuse the linker
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
	offset := err.GetPosition().Offset
	if text == "invalid character" && offset < len(at.content) {
		if before, _ := utf8.DecodeLastRune(at.content[:offset]); offset > 0 && before >= utf8.RuneSelf {
			return // the first of several has been told
		}
		r, _ := utf8.DecodeRune(at.content[offset:])
		text = fmt.Sprintf("invalid character %q; names have letters from a to z, digits and _", r)
	}
	text = strings.ReplaceAll(text, "unexpected $end", "unexpected end of file")
	text = elsewhere.ReplaceAllStringFunc(text, func(place string) string {
		match := elsewhere.FindStringSubmatch(place)
		if other := c.units[match[1]]; other != nil {
			return " at " + other.shown + match[2]
		}
		return place
	})
	if match := unknownType.FindStringSubmatch(text); match != nil {
		if near := nearname.Of(match[1], at.types()); len(near) > 0 {
			text += "; near: " + strings.Join(near, ", ")
		}
	}
	c.problem(at, at.at(offset, text))
}

var unknownType = regexp.MustCompile(`: unknown type ([^\s]+)$`)

// scalars are the types that need no definition.
var scalars = []string{
	"double", "float", "int32", "int64", "uint32", "uint64", "sint32", "sint64", "fixed32", "fixed64", "sfixed32", "sfixed64",
	"bool", "string", "bytes",
}

// types are the names that a field of the file may have meant as its type: scalars and what the file defines at its top.
func (u *unit) types() []string {
	names := slices.Clone(scalars)
	if u.parsed != nil {
		for _, m := range u.parsed.FileDescriptorProto().GetMessageType() {
			names = append(names, m.GetName())
		}
		for _, e := range u.parsed.FileDescriptorProto().GetEnumType() {
			names = append(names, e.GetName())
		}
	}
	return names
}

// elsewhere is where the linker names a place of another file, which it calls as imports do.
var elsewhere = regexp.MustCompile(` at ([^\s"]+\.proto)(:\d+:\d+)`)

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
