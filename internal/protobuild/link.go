package protobuild

import (
	"context"
	"fmt"
	"strings"

	"github.com/bufbuild/protocompile/linker"
	"github.com/bufbuild/protocompile/options"
	"github.com/bufbuild/protocompile/reporter"
	"github.com/bufbuild/protocompile/sourceinfo"
	"google.golang.org/protobuf/reflect/protoreflect"
)

const descriptorName = "google/protobuf/descriptor.proto"

// order is a walk through the imports that puts each file after those that it imports.
type order struct {
	c      *compilation
	state  map[*unit]visit
	path   []*unit // from the file where the walk began to where it is
	sorted []*unit
}

type visit int

const (
	unseen visit = iota
	open
	done
)

// link turns what was parsed into descriptors, one file after the other, so that the same is told each time.
func (c *compilation) link(ctx context.Context) ([]protoreflect.FileDescriptor, error) {
	o := &order{c: c, state: map[*unit]visit{}}
	if own := c.units[descriptorName]; own != nil && own.ready == nil {
		o.visit(own) // options of all other files are judged by it
	}
	for _, name := range c.reader.src.Files {
		o.visit(c.units[name])
	}
	symbols := &linker.Symbols{}
	for _, u := range o.sorted {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if u.ready == nil && u.parsed != nil {
			c.guard(u, func() { c.linkUnit(u, symbols) })
		}
	}
	files := make([]protoreflect.FileDescriptor, 0, len(c.reader.src.Files))
	for _, name := range c.reader.src.Files {
		if u := c.units[name]; u.ready != nil && !u.broken {
			files = append(files, u.ready)
		}
	}
	return files, nil
}

// visit walks below u, and tells of imports that are missing or lead back.
func (o *order) visit(u *unit) {
	o.state[u] = open
	o.path = append(o.path, u)
	for _, imp := range u.imports {
		next := o.c.units[imp.name]
		switch {
		case next == nil: // a name that cannot be, which has been told
			u.broken = true
		case next.absent && !o.c.reader.own[imp.name]:
			o.c.problemAt(u, imp.offset, o.c.reader.missing(imp.name))
		case next.same != nil:
			o.c.problemAt(u, imp.offset, fmt.Sprintf("import %q is the file that is %q to others; name it so here too", imp.name, next.same.name))
		case o.state[next] == open:
			o.c.problemAt(u, imp.offset, "import cycle: "+o.circle(next))
		case o.state[next] == unseen:
			o.visit(next)
		}
	}
	o.path = o.path[:len(o.path)-1]
	o.state[u] = done
	o.sorted = append(o.sorted, u)
}

// circle names the files from to the one where the walk is, and to again.
func (o *order) circle(to *unit) string {
	var names []string
	for _, u := range o.path {
		if u == to || len(names) > 0 {
			names = append(names, u.name)
		}
	}
	return strings.Join(append(names, to.name), " → ")
}

// linkUnit links u, whose imports have been linked where that could be. A file with a broken import is left
// alone: what it lacks would be told again for each use.
func (c *compilation) linkUnit(u *unit, symbols *linker.Symbols) {
	deps := make(linker.Files, 0, len(u.imports))
	for _, imp := range u.imports {
		dep := c.units[imp.name]
		if dep == nil || dep.ready == nil || dep.broken {
			u.broken = true
			return
		}
		deps = append(deps, dep.ready)
	}
	handler := c.handler(u)
	result, err := linker.Link(u.parsed, deps, symbols, handler)
	if err != nil {
		c.fatal(u, err)
		return
	}
	if u.broken {
		return
	}
	var interpret []options.InterpreterOption
	if own := c.units[descriptorName]; own != nil && own != u && c.reader.own[descriptorName] && own.ready != nil {
		interpret = append(interpret, options.WithOverrideDescriptorProto(own.ready))
	}
	index, err := options.InterpretOptions(result, handler, interpret...)
	if err == nil {
		err = result.ValidateOptions(handler, symbols)
	}
	if err != nil {
		c.fatal(u, err)
		return
	}
	result.CheckForUnusedImports(handler)
	if u.broken {
		return
	}
	u.parsed.FileDescriptorProto().SourceCodeInfo = sourceinfo.GenerateSourceInfo(u.parsed.AST(), index)
	result.PopulateSourceCodeInfo()
	result.RemoveAST()
	u.ready = result
}

// fatal notes an error that ended the work on u, unless the handler has told it.
func (c *compilation) fatal(u *unit, err error) {
	if withPlace, ok := err.(reporter.ErrorWithPos); ok { //nolint:errorlint // the linker's own, which it does not wrap
		c.report(u, withPlace)
	} else if !u.broken {
		c.problem(u, Problem{File: u.shown, Message: fmt.Sprintf("link it: %v", err)})
	}
}
