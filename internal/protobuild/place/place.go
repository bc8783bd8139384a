// Package place tells where an element of a .proto file stands in it. It reads descriptors that carry source
// locations, and nothing else; without locations a place is the file alone.
package place

import (
	"cmp"
	"fmt"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// Place is a position in a file. Line and Column count from 1; both are 0 when only the file is known.
type Place struct {
	Path   string // as files import it
	Line   int
	Column int
}

// Of returns where d stands. The numbers of a part, as descriptor.proto counts them, lead from the element to
// something inside it, such as its name; where that has no location of its own, the element's is returned.
func Of(d protoreflect.Descriptor, part ...int32) Place {
	file := d.ParentFile()
	if file == nil {
		return Place{}
	}
	locations := file.SourceLocations()
	var path protoreflect.SourcePath
	found := Place{Path: file.Path()}
	if _, isFile := d.(protoreflect.FileDescriptor); !isFile {
		at := locations.ByDescriptor(d)
		if at.Path == nil {
			return ofMap(d, found)
		}
		path = at.Path
		found.Line, found.Column = at.StartLine+1, at.StartColumn+1
	}
	if len(part) > 0 {
		inner := locations.ByPath(append(append(protoreflect.SourcePath{}, path...), part...))
		if inner.Path != nil {
			found.Line, found.Column = inner.StartLine+1, inner.StartColumn+1
		}
	}
	return found
}

// ofMap returns where the map is written that the compiler has made d of: the entry of a map, or a field of that.
// It is otherwise for anything else.
func ofMap(d protoreflect.Descriptor, otherwise Place) Place {
	entry, ok := d.(protoreflect.MessageDescriptor)
	if !ok {
		entry, ok = d.Parent().(protoreflect.MessageDescriptor)
	}
	if !ok || !entry.IsMapEntry() {
		return otherwise
	}
	outer, ok := entry.Parent().(protoreflect.MessageDescriptor)
	if !ok {
		return otherwise
	}
	for i := range outer.Fields().Len() {
		f := outer.Fields().Get(i)
		if f.Message() == nil || f.Message().FullName() != entry.FullName() {
			continue
		}
		if at := outer.ParentFile().SourceLocations().ByDescriptor(f); at.Path != nil {
			return Place{otherwise.Path, at.StartLine + 1, at.StartColumn + 1}
		}
	}
	return otherwise
}

// String returns path:line:column, or the path alone.
func (p Place) String() string {
	if p.Line == 0 {
		return p.Path
	}
	return fmt.Sprintf("%s:%d:%d", p.Path, p.Line, p.Column)
}

// Compare orders places by file, line and column.
func Compare(a, b Place) int {
	return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
}
