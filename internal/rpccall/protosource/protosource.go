// Package protosource writes descriptors as the .proto source that they may have come from: for people to read, and
// such that a compiler makes the same descriptors of it. Comments are there when the descriptors have them.
//
// It resolves nothing and checks nothing: a descriptor is taken as it is. Names and texts are written as they are, too,
// so what came from a stranger is not yet fit for a terminal.
package protosource

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// Element returns the source of one service, method, message, enum or extension, without the package and the syntax
// of its file. Names of types are written in full unless they are of the element's own package. Custom options are found
// in types, which may be nil.
func Element(d protoreflect.Descriptor, types protoregistry.ExtensionTypeResolver) string {
	p := &printer{out: new(strings.Builder), file: d.ParentFile(), types: types}
	p.element(d)
	return p.out.String()
}

// File returns the source of a whole file. Custom options are found in types, which may be nil.
func File(file protoreflect.FileDescriptor, types protoregistry.ExtensionTypeResolver) string {
	p := &printer{out: new(strings.Builder), file: file, types: types, full: true}
	p.header()
	p.options(file.Options())
	for i := range file.Services().Len() {
		p.element(file.Services().Get(i))
	}
	p.typesOf(file)
	return p.out.String()
}

// printer writes the elements of one file.
type printer struct {
	out    *strings.Builder
	file   protoreflect.FileDescriptor
	types  protoregistry.ExtensionTypeResolver
	full   bool // type names are always written in full, so that no other name can shadow them
	indent int
}

func (p *printer) line(format string, args ...any) {
	p.out.WriteString(strings.Repeat("  ", p.indent))
	fmt.Fprintf(p.out, format, args...)
	p.out.WriteByte('\n')
}

func (p *printer) blank() { p.out.WriteByte('\n') }

// capture returns what write writes.
func (p *printer) capture(write func()) string {
	outer := p.out
	p.out = new(strings.Builder)
	write()
	text := p.out.String()
	p.out = outer
	return text
}

// block writes a heading and, in braces, what body writes.
func (p *printer) block(heading string, body func()) {
	p.indent++
	text := p.capture(body)
	p.indent--
	if text == "" {
		p.line("%s {}", heading)
		return
	}
	p.line("%s {", heading)
	p.out.WriteString(text)
	p.line("}")
}

func (p *printer) header() {
	p.comments(p.file, func() {
		switch p.file.Syntax() {
		case protoreflect.Editions:
			p.line("edition = %q;", editionName(p.file))
		default:
			p.line("syntax = %q;", p.file.Syntax().String())
		}
	})
	if p.file.Package() != "" {
		p.line("")
		p.line("package %s;", p.file.Package())
	}
	if p.file.Imports().Len() > 0 {
		p.line("")
	}
	for i := range p.file.Imports().Len() {
		imported := p.file.Imports().Get(i)
		kind := ""
		if imported.IsPublic {
			kind = "public "
		}
		p.line("import %s%s;", kind, quote(imported.Path()))
	}
	p.blank()
}

// container is what can hold types: a file or a message.
type container interface {
	Enums() protoreflect.EnumDescriptors
	Messages() protoreflect.MessageDescriptors
	Extensions() protoreflect.ExtensionDescriptors
}

// typesOf writes the types of a container, those left out that the fields of a message have made.
func (p *printer) typesOf(c container) {
	for i := range c.Messages().Len() {
		if m := c.Messages().Get(i); !m.IsMapEntry() && !isGroup(c, m) {
			p.element(m)
		}
	}
	for i := range c.Enums().Len() {
		p.element(c.Enums().Get(i))
	}
	p.extensions(c.Extensions())
}

// extensions writes those of one message that follow each other as one block.
func (p *printer) extensions(all protoreflect.ExtensionDescriptors) {
	for i := 0; i < all.Len(); {
		first := all.Get(i)
		p.gap()
		p.block("extend "+p.name(first.ContainingMessage()), func() {
			for ; i < all.Len() && all.Get(i).ContainingMessage().FullName() == first.ContainingMessage().FullName(); i++ {
				f := all.Get(i)
				p.comments(f, func() { p.field(f, cardinality(f)) })
			}
		})
	}
}

// isGroup reports whether a message is that of a proto2 group of the container, which is written with its field.
func isGroup(c container, m protoreflect.MessageDescriptor) bool {
	group := func(f protoreflect.FieldDescriptor) bool {
		return isGroupField(f) && f.Message().FullName() == m.FullName()
	}
	if parent, ok := c.(protoreflect.MessageDescriptor); ok {
		for i := range parent.Fields().Len() {
			if group(parent.Fields().Get(i)) {
				return true
			}
		}
	}
	for i := range c.Extensions().Len() {
		if group(c.Extensions().Get(i)) {
			return true
		}
	}
	return false
}

// isGroupField reports whether a field is written as a group. Editions write the same as a feature of a field.
func isGroupField(f protoreflect.FieldDescriptor) bool {
	return f.Kind() == protoreflect.GroupKind && f.Syntax() == protoreflect.Proto2 && f.Message().Parent() == f.Parent() && !f.Message().IsMapEntry()
}

// gap separates the elements of a file by a blank line.
func (p *printer) gap() {
	if p.indent == 0 && p.out.Len() > 0 && !strings.HasSuffix(p.out.String(), "\n\n") {
		p.blank()
	}
}

func (p *printer) element(d protoreflect.Descriptor) {
	p.gap()
	if f, ok := d.(protoreflect.FieldDescriptor); ok {
		p.block("extend "+p.name(f.ContainingMessage()), func() {
			p.comments(f, func() { p.field(f, cardinality(f)) })
		})
		return
	}
	p.comments(d, func() {
		switch d := d.(type) {
		case protoreflect.ServiceDescriptor:
			p.service(d)
		case protoreflect.MethodDescriptor:
			p.method(d)
		case protoreflect.MessageDescriptor:
			p.block("message "+string(d.Name()), func() { p.message(d) })
		case protoreflect.EnumDescriptor:
			p.block("enum "+string(d.Name()), func() { p.enum(d) })
		}
	})
}

// comments writes an element with the comments before and behind it. Behind a block is behind its opening brace.
func (p *printer) comments(d protoreflect.Descriptor, write func()) {
	at := p.location(d)
	for _, detached := range at.LeadingDetachedComments {
		p.comment(detached)
		p.blank()
	}
	p.comment(at.LeadingComments)
	text := p.capture(write)
	behind := strings.TrimSuffix(at.TrailingComments, "\n")
	first, rest, _ := strings.Cut(text, "\n")
	switch {
	case behind == "":
		p.out.WriteString(text)
	case !strings.Contains(behind, "\n") && !strings.HasSuffix(first, "}"):
		p.out.WriteString(first + " " + commentLine(behind) + "\n" + rest)
	case rest != "":
		p.out.WriteString(first + "\n")
		p.indent++
		p.comment(behind)
		p.indent--
		p.out.WriteString("\n" + rest)
	default:
		p.out.WriteString(text)
		p.comment(behind)
		p.blank()
	}
}

// location returns what the source said around an element. That of a file is around its syntax.
func (p *printer) location(d protoreflect.Descriptor) protoreflect.SourceLocation {
	if file, ok := d.(protoreflect.FileDescriptor); ok {
		const syntaxField = 12
		return file.SourceLocations().ByPath(protoreflect.SourcePath{syntaxField})
	}
	if f, ok := d.(protoreflect.FieldDescriptor); ok && isGroupField(f) {
		return p.file.SourceLocations().ByDescriptor(f.Message())
	}
	return p.file.SourceLocations().ByDescriptor(d)
}

func (p *printer) comment(text string) {
	if text == "" {
		return
	}
	for line := range strings.Lines(strings.TrimSuffix(text, "\n")) {
		p.line("%s", commentLine(line))
	}
}

func commentLine(text string) string {
	return strings.TrimRight("//"+strings.ReplaceAll(text, "\r", ""), "\n ")
}

func (p *printer) service(d protoreflect.ServiceDescriptor) {
	p.block("service "+string(d.Name()), func() {
		p.options(d.Options())
		for i := range d.Methods().Len() {
			p.element(d.Methods().Get(i))
		}
	})
}

func (p *printer) method(d protoreflect.MethodDescriptor) {
	stream := func(is bool) string {
		if is {
			return "stream "
		}
		return ""
	}
	heading := fmt.Sprintf("rpc %s(%s%s) returns (%s%s)", d.Name(),
		stream(d.IsStreamingClient()), p.name(d.Input()), stream(d.IsStreamingServer()), p.name(d.Output()))
	if len(p.optionsOf(d.Options())) == 0 {
		p.line("%s;", heading)
		return
	}
	p.block(heading, func() { p.options(d.Options()) })
}

// name writes the name of a type. Within a package it is without it, and with a package it begins with a dot where
// that is the only form that cannot mean something else.
func (p *printer) name(d protoreflect.Descriptor) string {
	if p.full {
		return "." + string(d.FullName())
	}
	if prefix := string(p.file.Package()) + "."; d.ParentFile() != nil && d.ParentFile().Package() == p.file.Package() && prefix != "." {
		return strings.TrimPrefix(string(d.FullName()), prefix)
	}
	return string(d.FullName())
}

func editionName(file protoreflect.FileDescriptor) string {
	if e, ok := file.(interface{ Edition() int32 }); ok {
		return strings.TrimPrefix(descriptorpb.Edition(e.Edition()).String(), "EDITION_")
	}
	return "2023"
}
