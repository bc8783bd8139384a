package document

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// The kinds of methods.
const (
	unary        = "unary"
	takesStream  = "takes a stream"
	sendsStream  = "answers with a stream"
	bothStreams  = "takes a stream and answers with a stream"
	noStreamSide = ""
)

func streaming(m protoreflect.MethodDescriptor) string {
	switch {
	case m.IsStreamingClient() && m.IsStreamingServer():
		return bothStreams
	case m.IsStreamingClient():
		return takesStream
	case m.IsStreamingServer():
		return sendsStream
	}
	return unary
}

// Markdown documents files as one page, package by package: services with their methods, messages with their
// fields, enums with their values. The anchor of each is its full name, so that links to it stay.
func Markdown(files []protoreflect.FileDescriptor, o Options) []byte {
	p := &page{set: newSet(files, o)}
	p.line("# %s", escape(p.title()))
	p.contents()
	for _, name := range p.packages() {
		p.pkg(name)
	}
	return []byte(p.text.String())
}

// page is a page that is being written.
type page struct {
	*set

	text strings.Builder
}

// line writes a line, and an empty one before all but the first.
func (p *page) line(format string, args ...any) {
	if p.text.Len() > 0 {
		p.text.WriteByte('\n')
	}
	fmt.Fprintf(&p.text, format+"\n", args...)
}

// prose writes a comment, if there is one.
func (p *page) prose(comment string) {
	if comment != "" {
		p.line("%s", escape(comment))
	}
}

// escape keeps a comment from being more than Markdown: no tag, and no heading of its own.
func escape(text string) string {
	lines := strings.Split(text, "\n")
	code := false
	for i, line := range lines {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			code = !code
			continue
		}
		if code || strings.HasPrefix(line, "    ") {
			continue
		}
		parts := strings.Split(line, "`") // every second one is code
		for j := 0; j < len(parts); j += 2 {
			parts[j] = strings.ReplaceAll(strings.ReplaceAll(parts[j], "&", "&amp;"), "<", "&lt;")
		}
		line = strings.Join(parts, "`")
		if strings.HasPrefix(line, "#") {
			line = `\` + line
		}
		lines[i] = line
	}
	if code {
		lines = append(lines, "```")
	}
	return strings.Join(lines, "\n")
}

// cell is a comment on one line of a table.
func cell(text string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(escape(text)), " "), "|", `\|`)
}

func anchor(d protoreflect.Descriptor) string { return string(d.FullName()) }

// relativeName is the name of d within its package.
func relativeName(d protoreflect.Descriptor) string {
	return strings.TrimPrefix(string(d.FullName()), string(d.ParentFile().Package())+".")
}

// ofPackage calls visit for the elements of a package's files that are of one kind, in the order of the files.
func (s *set) ofPackage(name protoreflect.FullName) (services, messages, enums []protoreflect.Descriptor) {
	for _, file := range s.files {
		if file.Package() != name {
			continue
		}
		for i := range file.Services().Len() {
			services = append(services, file.Services().Get(i))
		}
		walk(file, func(d protoreflect.Descriptor) {
			if _, ok := d.(protoreflect.EnumDescriptor); ok {
				enums = append(enums, d)
			} else {
				messages = append(messages, d)
			}
		})
	}
	return services, messages, enums
}

func (p *page) contents() {
	var b strings.Builder
	for _, name := range p.packages() {
		fmt.Fprintf(&b, "- [%s](#%s)\n", shownPackage(name), name)
		services, messages, enums := p.ofPackage(name)
		for _, s := range services {
			fmt.Fprintf(&b, "  - service [%s](#%s)\n", s.Name(), anchor(s))
			methods := s.(protoreflect.ServiceDescriptor).Methods() //nolint:forcetypeassert // made above
			for i := range methods.Len() {
				fmt.Fprintf(&b, "    - [%s](#%s)\n", methods.Get(i).Name(), anchor(methods.Get(i)))
			}
		}
		for _, m := range messages {
			fmt.Fprintf(&b, "  - message [%s](#%s)\n", relativeName(m), anchor(m))
		}
		for _, e := range enums {
			fmt.Fprintf(&b, "  - enum [%s](#%s)\n", relativeName(e), anchor(e))
		}
	}
	p.line("%s", strings.TrimSuffix(b.String(), "\n"))
}

func (p *page) heading(level int, d protoreflect.Descriptor, title string) {
	p.line("<a id=\"%s\"></a>", anchor(d))
	p.line("%s %s", strings.Repeat("#", level), escape(title))
	if deprecated(d) {
		p.line("**Deprecated.**")
	}
}

func (p *page) pkg(name protoreflect.FullName) {
	p.line("<a id=\"%s\"></a>", name)
	p.line("## %s", shownPackage(name))
	for _, file := range p.files {
		if file.Package() == name {
			at := file.SourceLocations().ByPath(protoreflect.SourcePath{2})
			p.prose(cleanComment(at.LeadingComments))
		}
	}
	services, messages, enums := p.ofPackage(name)
	for _, s := range services {
		p.service(s.(protoreflect.ServiceDescriptor)) //nolint:forcetypeassert // ofPackage sorts by kind
	}
	for _, m := range messages {
		p.message(m.(protoreflect.MessageDescriptor)) //nolint:forcetypeassert // ofPackage sorts by kind
	}
	for _, e := range enums {
		p.enum(e.(protoreflect.EnumDescriptor)) //nolint:forcetypeassert // ofPackage sorts by kind
	}
}

func (p *page) service(s protoreflect.ServiceDescriptor) {
	p.heading(3, s, "service "+string(s.Name()))
	p.prose(comment(s))
	for i := range s.Methods().Len() {
		p.method(s.Methods().Get(i))
	}
}

func (p *page) method(m protoreflect.MethodDescriptor) {
	p.heading(4, m, string(m.Name()))
	stream := func(is bool) string {
		if is {
			return "stream "
		}
		return noStreamSide
	}
	p.line("rpc %s(%s%s) returns (%s%s), %s", m.Name(), stream(m.IsStreamingClient()), p.typeLink(m.Input()),
		stream(m.IsStreamingServer()), p.typeLink(m.Output()), streaming(m))
	for _, b := range p.notes.bindings(m) {
		p.line("`%s %s`", strings.ToUpper(b.verb), b.path)
	}
	p.prose(comment(m))
}

// typeLink is the name of a message or enum, with a link when the page has it.
func (p *page) typeLink(d protoreflect.Descriptor) string {
	if !p.known[d.FullName()] {
		return "`" + string(d.FullName()) + "`"
	}
	return fmt.Sprintf("[%s](#%s)", relativeName(d), anchor(d))
}

func (p *page) message(m protoreflect.MessageDescriptor) {
	p.heading(3, m, "message "+relativeName(m))
	p.prose(comment(m))
	if m.Fields().Len() == 0 {
		p.line("It has no fields.")
		return
	}
	var b strings.Builder
	b.WriteString("| field | number | type | |\n|---|---|---|---|\n")
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		fmt.Fprintf(&b, "| %s | %d | %s | %s |\n", f.Name(), f.Number(), p.fieldType(f), p.aboutField(f))
	}
	p.line("%s", strings.TrimSuffix(b.String(), "\n"))
}

func (p *page) fieldType(f protoreflect.FieldDescriptor) string {
	switch {
	case f.IsMap():
		return fmt.Sprintf("map&lt;%s, %s>", f.MapKey().Kind(), p.singleType(f.MapValue()))
	case f.IsList():
		return "repeated " + p.singleType(f)
	case f.Cardinality() == protoreflect.Required:
		return "required " + p.singleType(f)
	case f.HasOptionalKeyword():
		return "optional " + p.singleType(f)
	}
	return p.singleType(f)
}

func (p *page) singleType(f protoreflect.FieldDescriptor) string {
	switch {
	case f.Enum() != nil:
		return p.typeLink(f.Enum())
	case f.Message() != nil:
		return p.typeLink(f.Message())
	}
	return f.Kind().String()
}

// aboutField is what the last column says of a field.
func (p *page) aboutField(f protoreflect.FieldDescriptor) string {
	var parts []string
	if deprecated(f) {
		parts = append(parts, "**Deprecated.**")
	}
	if o := f.ContainingOneof(); o != nil && !o.IsSynthetic() {
		parts = append(parts, "One of `"+string(o.Name())+"`.")
	}
	b := p.notes.behavior(f)
	for _, said := range []struct {
		is   bool
		text string
	}{
		{b.required && f.Cardinality() != protoreflect.Required, "Required."},
		{b.outputOnly, "Output only."},
		{b.inputOnly, "Input only."},
		{b.immutable, "Immutable."},
	} {
		if said.is {
			parts = append(parts, said.text)
		}
	}
	if f.HasDefault() {
		parts = append(parts, "Default `"+defaultText(f)+"`.")
	}
	parts = append(parts, cell(comment(f)))
	return strings.TrimSpace(strings.Join(parts, " "))
}

func defaultText(f protoreflect.FieldDescriptor) string {
	switch f.Kind() {
	case protoreflect.EnumKind:
		if v := f.DefaultEnumValue(); v != nil {
			return string(v.Name())
		}
	case protoreflect.StringKind, protoreflect.BytesKind:
		return strings.NewReplacer("`", "'", "|", `\|`).Replace(fmt.Sprintf("%q", f.Default().Interface()))
	default:
	}
	return fmt.Sprint(f.Default().Interface())
}

func (p *page) enum(e protoreflect.EnumDescriptor) {
	p.heading(3, e, "enum "+relativeName(e))
	p.prose(comment(e))
	var b strings.Builder
	b.WriteString("| value | number | |\n|---|---|---|\n")
	for i := range e.Values().Len() {
		v := e.Values().Get(i)
		about := cell(comment(v))
		if deprecated(v) {
			about = strings.TrimSpace("**Deprecated.** " + about)
		}
		fmt.Fprintf(&b, "| %s | %d | %s |\n", v.Name(), v.Number(), about)
	}
	p.line("%s", strings.TrimSuffix(b.String(), "\n"))
}
