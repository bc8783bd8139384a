// Package document turns descriptors into pages for people, in Markdown, and into an OpenAPI 3.1 description for
// machines. The same descriptors give the same bytes. It is handed descriptors with their comments and returns
// text; it never reads or writes a file.
package document

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// Options say what descriptors do not.
type Options struct {
	Title   string // of the document; the names of the packages when empty
	Version string // of the interface, for OpenAPI; that of the packages when they have one and the same, else "1"
}

// set is the files of a document, and what is in them.
type set struct {
	files   []protoreflect.FileDescriptor // sorted by package and path
	options Options
	known   map[protoreflect.FullName]bool // messages and enums that the files define
	notes   *annotations
}

func newSet(files []protoreflect.FileDescriptor, o Options) *set {
	s := &set{files: slices.Clone(files), options: o, known: make(map[protoreflect.FullName]bool), notes: newAnnotations(files)}
	slices.SortStableFunc(s.files, func(a, b protoreflect.FileDescriptor) int {
		if c := strings.Compare(string(a.Package()), string(b.Package())); c != 0 {
			return c
		}
		return strings.Compare(a.Path(), b.Path())
	})
	for _, file := range s.files {
		walk(file, func(d protoreflect.Descriptor) { s.known[d.FullName()] = true })
	}
	return s
}

// packages are the names of the files' packages, sorted.
func (s *set) packages() []protoreflect.FullName {
	var names []protoreflect.FullName
	for _, file := range s.files {
		if !slices.Contains(names, file.Package()) {
			names = append(names, file.Package())
		}
	}
	return names
}

func (s *set) title() string {
	if s.options.Title != "" {
		return s.options.Title
	}
	var names []string
	for _, name := range s.packages() {
		names = append(names, shownPackage(name))
	}
	return strings.Join(names, ", ")
}

func shownPackage(name protoreflect.FullName) string {
	if name == "" {
		return "(no package)"
	}
	return string(name)
}

// version is the last part of the packages' names when it is one for all, such as v1.
func (s *set) version() string {
	if s.options.Version != "" {
		return s.options.Version
	}
	found := ""
	for _, name := range s.packages() {
		last := string(name.Name())
		if len(last) < 2 || last[0] != 'v' || last[1] < '1' || last[1] > '9' || found != "" && found != last {
			return "1"
		}
		found = last
	}
	if found == "" {
		return "1"
	}
	return found
}

// container is a file or a message: what holds messages and enums.
type container interface {
	Messages() protoreflect.MessageDescriptors
	Enums() protoreflect.EnumDescriptors
}

// walk visits messages, each before what is nested in it, and then enums; what the compiler has made of maps is
// left out.
func walk(c container, visit func(protoreflect.Descriptor)) {
	for i := range c.Messages().Len() {
		m := c.Messages().Get(i)
		if !m.IsMapEntry() {
			visit(m)
			walk(m, visit)
		}
	}
	for i := range c.Enums().Len() {
		visit(c.Enums().Get(i))
	}
}

// comment returns what is said of d, before or behind it, without the spaces that comments begin lines with and
// without lines that speak to panda lint.
func comment(d protoreflect.Descriptor) string {
	if d.ParentFile() == nil {
		return "" // a type whose file is not known
	}
	at := d.ParentFile().SourceLocations().ByDescriptor(d)
	return cleanComment(at.LeadingComments, at.TrailingComments)
}

func cleanComment(parts ...string) string {
	var paragraphs []string
	for _, part := range parts {
		var lines []string
		for line := range strings.Lines(part) {
			line = strings.TrimRight(strings.TrimPrefix(line, " "), " \t\r\n")
			if !strings.HasPrefix(strings.TrimSpace(line), "panda:lint-ignore") {
				lines = append(lines, line)
			}
		}
		if text := strings.Trim(strings.Join(lines, "\n"), "\n"); text != "" {
			paragraphs = append(paragraphs, text)
		}
	}
	return strings.Join(paragraphs, "\n\n")
}

// deprecated reports whether d has the option of that name.
func deprecated(d protoreflect.Descriptor) bool {
	switch o := d.Options().(type) {
	case *descriptorpb.FieldOptions:
		return o.GetDeprecated()
	case *descriptorpb.MessageOptions:
		return o.GetDeprecated()
	case *descriptorpb.MethodOptions:
		return o.GetDeprecated()
	case *descriptorpb.ServiceOptions:
		return o.GetDeprecated()
	case *descriptorpb.EnumOptions:
		return o.GetDeprecated()
	case *descriptorpb.EnumValueOptions:
		return o.GetDeprecated()
	}
	return false
}
