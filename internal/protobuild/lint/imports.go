package lint

import (
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

func importRules() []Rule {
	const head = head + "package acme.v1;\n\n"
	const other = "\n-- acme/v1/b.proto --\n" + head + "message Kind {}"
	return []Rule{
		{
			"IMPORT_USED", Imports,
			"A file uses something of each file that it imports. An import that is left over makes all who import this file compile the other one too.",
			"-- acme/v1/a.proto --\n" + head + "import \"acme/v1/b.proto\";\n\nmessage Pet {}" + other,
			"-- acme/v1/a.proto --\n" + head + "import \"acme/v1/b.proto\";\n\nmessage Pet {\n  Kind kind = 1;\n}" + other,
			eachFile(unusedImports),
		},
		{
			"IMPORT_NO_PUBLIC", Imports,
			"No import is public. Who imports the file then gets names that it does not mention, some generators do not know what to do with it, and no one sees who uses what.",
			"-- acme/v1/a.proto --\n" + head + "import public \"acme/v1/b.proto\";\n\nmessage Pet {\n  Kind kind = 1;\n}" + other,
			"-- acme/v1/a.proto --\n" + head + "import \"acme/v1/b.proto\";\n\nmessage Pet {\n  Kind kind = 1;\n}" + other,
			eachFile(func(p *pass, file protoreflect.FileDescriptor) {
				for i := range file.Imports().Len() {
					if file.Imports().Get(i).IsPublic {
						p.at(file, importPart(i), "the import of %s is public; let those who need it import it", file.Imports().Get(i).Path())
					}
				}
			}),
		},
		{
			"IMPORT_NO_WEAK", Imports,
			"No import is weak. Only Google's own programs know what to do with one that is missing.",
			"-- acme/v1/a.proto --\n" + head + "import weak \"acme/v1/b.proto\";\n\nmessage Pet {\n  Kind kind = 1;\n}" + other,
			"-- acme/v1/a.proto --\n" + head + "import \"acme/v1/b.proto\";\n\nmessage Pet {\n  Kind kind = 1;\n}" + other,
			eachFile(func(p *pass, file protoreflect.FileDescriptor) {
				for i := range file.Imports().Len() {
					if isWeak(file, i) {
						p.at(file, importPart(i), "the import of %s is weak; import it, or do not", file.Imports().Get(i).Path())
					}
				}
			}),
		},
	}
}

func importPart(i int) []int32 {
	return []int32{numberDependency, int32(i)} //nolint:gosec // a file has not that many imports
}

const numberWeakDependency = 11

// isWeak reports whether an import is weak, by the place where the word is written.
func isWeak(file protoreflect.FileDescriptor, dependency int) bool {
	locations := file.SourceLocations()
	at := locations.ByPath(protoreflect.SourcePath(importPart(dependency)))
	for i := int32(0); ; i++ {
		word := locations.ByPath(protoreflect.SourcePath{numberWeakDependency, i})
		if word.Path == nil {
			return false
		}
		if at.Path != nil && word.StartLine >= at.StartLine && word.EndLine <= at.EndLine {
			return true
		}
	}
}

func unusedImports(p *pass, file protoreflect.FileDescriptor) {
	used := usedFiles(file)
	for i := range file.Imports().Len() {
		imported := file.Imports().Get(i)
		if imported.IsPublic || imported.IsPlaceholder() { // a public one is there for others
			continue
		}
		if !usesAny(used, imported.FileDescriptor) {
			p.at(file, importPart(i), "nothing of %s is used; remove the import", imported.Path())
		}
	}
}

// usesAny reports whether the file, or what it imports publicly, is used.
func usesAny(used map[string]bool, file protoreflect.FileDescriptor) bool {
	if used[file.Path()] {
		return true
	}
	for i := range file.Imports().Len() {
		if imported := file.Imports().Get(i); imported.IsPublic && usesAny(used, imported.FileDescriptor) {
			return true
		}
	}
	return false
}

// usage gathers the paths of the files that one file refers to.
type usage struct {
	files      map[string]bool
	extensions map[extension]string // the options that imports define, and the files they are in
}

// extension is an option by the message that it extends, such as google.protobuf.FieldOptions, and its number.
type extension struct {
	extendee protoreflect.FullName
	number   protoreflect.FieldNumber
}

func usedFiles(file protoreflect.FileDescriptor) map[string]bool {
	u := &usage{files: make(map[string]bool), extensions: make(map[extension]string)}
	u.gather(file, make(map[string]bool))
	u.options(file)
	u.container(file)
	for i := range file.Services().Len() {
		s := file.Services().Get(i)
		u.options(s)
		for j := range s.Methods().Len() {
			m := s.Methods().Get(j)
			u.options(m)
			u.refer(m.Input())
			u.refer(m.Output())
		}
	}
	return u.files
}

// gather notes the extensions of all files that file imports, however far away.
func (u *usage) gather(file protoreflect.FileDescriptor, seen map[string]bool) {
	if seen[file.Path()] {
		return
	}
	seen[file.Path()] = true
	var note func(c container)
	note = func(c container) {
		for i := range c.Extensions().Len() {
			x := c.Extensions().Get(i)
			u.extensions[extension{x.ContainingMessage().FullName(), x.Number()}] = file.Path()
		}
		walkNested(c, func(m protoreflect.MessageDescriptor) { note(m) })
	}
	note(file)
	for i := range file.Imports().Len() {
		u.gather(file.Imports().Get(i).FileDescriptor, seen)
	}
}

func (u *usage) refer(d protoreflect.Descriptor) {
	if d != nil && d.ParentFile() != nil {
		u.files[d.ParentFile().Path()] = true
	}
}

func (u *usage) container(c container) {
	for i := range c.Extensions().Len() {
		u.refer(c.Extensions().Get(i).ContainingMessage())
		u.field(c.Extensions().Get(i))
	}
	for i := range c.Enums().Len() {
		e := c.Enums().Get(i)
		u.options(e)
		for j := range e.Values().Len() {
			u.options(e.Values().Get(j))
		}
	}
	walkNested(c, func(m protoreflect.MessageDescriptor) {
		u.options(m)
		for i := range m.Fields().Len() {
			u.field(m.Fields().Get(i))
		}
		for i := range m.Oneofs().Len() {
			u.options(m.Oneofs().Get(i))
		}
		for i := range m.ExtensionRanges().Len() {
			u.message(m.ExtensionRangeOptions(i).ProtoReflect())
		}
		u.container(m)
	})
}

func (u *usage) field(f protoreflect.FieldDescriptor) {
	u.options(f)
	if f.Message() != nil {
		u.refer(f.Message())
	}
	if f.Enum() != nil {
		u.refer(f.Enum())
	}
}

func (u *usage) options(d protoreflect.Descriptor) {
	if d.Options() != nil {
		u.message(d.Options().ProtoReflect())
	}
}

// message notes the files of the extensions that are set in a message, known ones and others.
func (u *usage) message(m protoreflect.Message) {
	if !m.IsValid() {
		return
	}
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if f.IsExtension() {
			u.extension(m.Descriptor().FullName(), f.Number())
			u.refer(f)
		}
		if f.Message() == nil || f.IsMap() {
			return true
		}
		if f.IsList() {
			for i := range v.List().Len() {
				u.message(v.List().Get(i).Message())
			}
			return true
		}
		u.message(v.Message())
		return true
	})
	for unknown := m.GetUnknown(); len(unknown) > 0; {
		number, _, n := protowire.ConsumeField(unknown)
		if n < 0 {
			return
		}
		u.extension(m.Descriptor().FullName(), number)
		unknown = unknown[n:]
	}
}

func (u *usage) extension(extendee protoreflect.FullName, number protoreflect.FieldNumber) {
	if file := u.extensions[extension{extendee, number}]; file != "" {
		u.files[file] = true
	}
}
