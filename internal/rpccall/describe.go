package rpccall

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/pandakit/panda/internal/nearname"
	"github.com/pandakit/panda/internal/rpccall/protosource"
)

// typesShown bounds the types that the source of one name brings with it.
const typesShown = 100

// Kind is what a name stands for.
type Kind string

// The kinds that [Client.Describe] tells.
const (
	KindService Kind = "service"
	KindMethod  Kind = "method"
	KindMessage Kind = "message"
	KindEnum    Kind = "enum"
)

// Description is what a server tells of one name. Its texts are fit for a terminal.
type Description struct {
	Name string // in full; of a method with a slash before the method
	Kind Kind
	// Source is the .proto source of the element and, but for a service, of the types that it needs.
	Source string
	// Template is a message as JSON on one line that can be sent as it is: a method's request, or a message itself. Empty
	// for the others.
	Template string
	Methods  []MethodDescription // of a service, or the one method
}

// MethodDescription is a method as a listing has it.
type MethodDescription struct {
	Name        string // bare
	FullName    string // with a slash before the method
	Request     string // full name of the message
	Response    string
	TakesStream bool
	SendsStream bool
	Idempotent  bool   // declared by idempotency_level
	Comment     string // what stands before it in the source, if the server tells that
	Template    string // see Description
}

// UnknownNameError says that the server tells of nothing with such a name.
type UnknownNameError struct {
	Name  string   // as the caller wrote it
	Near  []string // names that look like it, nearest first; may be empty
	Names []string // full names of the server's services, sorted
}

func (e *UnknownNameError) Error() string {
	text := fmt.Sprintf("no service, method, message or enum %q", e.Name)
	switch {
	case len(e.Near) > 0:
		text += "; near: " + strings.Join(e.Near, ", ")
	case len(e.Names) > namesShown:
		text += fmt.Sprintf("; services: %s, and %d more", strings.Join(e.Names[:namesShown], ", "), len(e.Names)-namesShown)
	case len(e.Names) > 0:
		text += "; services: " + strings.Join(e.Names, ", ")
	default:
		text += "; the server has no services but gRPC's own"
	}
	return Printable(text)
}

// AmbiguousNameError says that several things have the name that was asked for.
type AmbiguousNameError struct {
	Name       string
	Candidates []string // full names, sorted
}

func (e *AmbiguousNameError) Error() string {
	return Printable(fmt.Sprintf("%q is ambiguous: %s", e.Name, strings.Join(e.Candidates, ", ")))
}

// Services describes all of the server's own services, sorted by name. One that the server lists and cannot describe is
// left out. Errors are those of [Client.Method].
func (c *Client) Services(ctx context.Context) ([]Description, error) {
	session := c.schema.open(ctx)
	defer session.close()
	names, err := session.services()
	if err != nil {
		return nil, err
	}
	own := ownServices(names)
	descriptions := make([]Description, 0, len(own))
	for _, name := range own {
		sd, err := session.service(name)
		if _, failed := errors.AsType[*StatusError](err); failed {
			return nil, err
		}
		if err == nil {
			descriptions = append(descriptions, c.describe(ctx, sd))
		}
	}
	return descriptions, nil
}

// Describe finds what name means: a method as by [Client.Method], a service, a message or an enum, each in full or from
// any dot on. A method goes before the others, and what the server's own services use before gRPC's.
//
// Errors: an [*UnknownNameError], an [*AmbiguousNameError], or those of [Client.Method].
func (c *Client) Describe(ctx context.Context, name string) (*Description, error) {
	session := c.schema.open(ctx)
	defer session.close()
	services, err := session.services()
	if err != nil {
		return nil, err
	}
	d, err := session.find(name, services)
	if err != nil {
		return nil, err
	}
	description := c.describe(ctx, d)
	return &description, nil
}

// find returns the descriptor that name means.
func (s *session) find(name string, services []string) (protoreflect.Descriptor, error) {
	method, err := resolveMethod(name, services, s.service)
	_, unknown := errors.AsType[*UnknownMethodError](err)
	if ambiguous, ok := errors.AsType[*AmbiguousMethodError](err); ok {
		return nil, &AmbiguousNameError{ambiguous.Method, ambiguous.Candidates}
	}
	if err == nil || !unknown {
		return method, err
	}
	bare := strings.TrimPrefix(name, "/")
	if protoreflect.FullName(bare).IsValid() {
		if d, err := s.symbol(bare); err == nil && describable(d) {
			return d, nil
		}
	}
	known := s.known(services)
	var found []protoreflect.Descriptor
	for _, d := range known {
		if strings.HasSuffix("."+string(d.FullName()), "."+bare) {
			found = append(found, d)
		}
	}
	switch len(found) {
	case 0:
		return nil, unknownName(name, services, known)
	case 1:
		return found[0], nil
	}
	return nil, &AmbiguousNameError{name, fullNames(found)}
}

func describable(d protoreflect.Descriptor) bool {
	switch d := d.(type) {
	case protoreflect.ServiceDescriptor, protoreflect.MethodDescriptor, protoreflect.EnumDescriptor:
		return true
	case protoreflect.MessageDescriptor:
		return !d.IsMapEntry()
	}
	return false
}

// known returns the services, methods, messages and enums that the server's own services lead to, in their files' order.
func (s *session) known(services []string) []protoreflect.Descriptor {
	var all []protoreflect.Descriptor
	for _, name := range ownServices(services) {
		if sd, err := s.service(name); err == nil {
			all = append(all, sd)
			for i := range sd.Methods().Len() {
				all = append(all, sd.Methods().Get(i))
			}
		}
	}
	s.schema.mu.Lock()
	defer s.schema.mu.Unlock()
	s.schema.files.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		if !isForeign(string(file.Package())+".") && file.Package() != "google.protobuf" {
			all = append(all, typesIn(file)...)
		}
		return true
	})
	return all
}

// container is what can hold types: a file or a message.
type container interface {
	Enums() protoreflect.EnumDescriptors
	Messages() protoreflect.MessageDescriptors
}

func typesIn(c container) []protoreflect.Descriptor {
	var all []protoreflect.Descriptor
	for i := range c.Enums().Len() {
		all = append(all, c.Enums().Get(i))
	}
	for i := range c.Messages().Len() {
		if m := c.Messages().Get(i); !m.IsMapEntry() {
			all = append(all, m)
			all = append(all, typesIn(m)...)
		}
	}
	return all
}

// fullNames returns the names, sorted, a method's with a slash.
func fullNames(all []protoreflect.Descriptor) []string {
	names := make([]string, len(all))
	for i, d := range all {
		names[i] = fullName(d)
	}
	slices.Sort(names)
	return names
}

func fullName(d protoreflect.Descriptor) string {
	if md, ok := d.(protoreflect.MethodDescriptor); ok {
		return (&Method{md}).String()
	}
	return string(d.FullName())
}

// unknownName compares bare names first, then full ones.
func unknownName(name string, services []string, known []protoreflect.Descriptor) error {
	err := &UnknownNameError{Name: name, Names: ownServices(services)}
	_, bare := splitMethod(name)
	var bares []string
	for _, d := range known {
		bares = append(bares, string(d.Name()))
	}
	slices.Sort(bares)
	for _, b := range nearname.Of(bare, slices.Compact(bares)) {
		for _, d := range known {
			if string(d.Name()) == b && len(err.Near) < nearname.Most {
				err.Near = append(err.Near, fullName(d))
			}
		}
	}
	if err.Near == nil {
		err.Near = nearname.Of(name, fullNames(known))
	}
	return err
}

// describe writes what is known of a service, a method, a message or an enum.
func (c *Client) describe(ctx context.Context, d protoreflect.Descriptor) Description {
	source := &excerpt{types: resolver{ctx: ctx, schema: c.schema}}
	description := Description{Name: fullName(d)}
	source.packageOf(d)
	switch d := d.(type) {
	case protoreflect.ServiceDescriptor:
		description.Kind = KindService
		for i := range d.Methods().Len() {
			description.Methods = append(description.Methods, describeMethod(d.Methods().Get(i)))
		}
		source.add(d)
	case protoreflect.MethodDescriptor:
		description.Kind = KindMethod
		description.Methods = []MethodDescription{describeMethod(d)}
		description.Template = description.Methods[0].Template
		source.method(d)
		source.needed(d.Input(), d.Output())
	case protoreflect.MessageDescriptor:
		description.Kind = KindMessage
		description.Template = string(printableJSON(template(d)))
		source.needed(d)
	case protoreflect.EnumDescriptor:
		description.Kind = KindEnum
		source.add(d)
	}
	description.Source = Printable(source.text.String())
	return description
}

func describeMethod(d protoreflect.MethodDescriptor) MethodDescription {
	level := descriptorpb.MethodOptions_IDEMPOTENCY_UNKNOWN
	if options, ok := d.Options().(*descriptorpb.MethodOptions); ok {
		level = options.GetIdempotencyLevel()
	}
	return MethodDescription{
		Name: string(d.Name()), FullName: fullName(d),
		Request: string(d.Input().FullName()), Response: string(d.Output().FullName()),
		TakesStream: d.IsStreamingClient(), SendsStream: d.IsStreamingServer(),
		Idempotent: level != descriptorpb.MethodOptions_IDEMPOTENCY_UNKNOWN,
		Comment:    Printable(strings.TrimSpace(d.ParentFile().SourceLocations().ByDescriptor(d).LeadingComments)),
		Template:   string(printableJSON(template(d.Input()))),
	}
}

// excerpt is elements of sources, one below the other.
type excerpt struct {
	text  strings.Builder
	types resolver
	pkg   protoreflect.FullName // that the reader is told of
}

// packageOf tells of the element's package, if that is another than before.
func (s *excerpt) packageOf(d protoreflect.Descriptor) {
	pkg := d.ParentFile().Package()
	if pkg == s.pkg {
		return
	}
	if s.text.Len() == 0 {
		fmt.Fprintf(&s.text, "package %s;\n", pkg)
	} else {
		fmt.Fprintf(&s.text, "\n// Of package %s:\n", pkg)
	}
	s.pkg = pkg
}

func (s *excerpt) add(d protoreflect.Descriptor) {
	s.packageOf(d)
	if s.text.Len() > 0 {
		s.text.WriteByte('\n')
	}
	s.text.WriteString(protosource.Element(d, s.types))
}

// method writes a method within its service.
func (s *excerpt) method(d protoreflect.MethodDescriptor) {
	if s.text.Len() > 0 {
		s.text.WriteByte('\n')
	}
	fmt.Fprintf(&s.text, "service %s {\n", d.Parent().Name())
	for line := range strings.Lines(protosource.Element(d, s.types)) {
		if strings.TrimSpace(line) != "" {
			s.text.WriteString("  ")
		}
		s.text.WriteString(line)
	}
	s.text.WriteString("}\n")
}

// needed writes messages and, each once, the types that they lead to. Those of google.protobuf everyone knows: they are
// written only when they were asked for.
func (s *excerpt) needed(asked protoreflect.MessageDescriptor, more ...protoreflect.MessageDescriptor) {
	todo := []protoreflect.Descriptor{}
	seen := make(map[protoreflect.FullName]bool)
	need := func(d protoreflect.Descriptor) {
		top := outermost(d)
		if seen[top.FullName()] || isPlaceholder(top) || isWellKnown(top) {
			return
		}
		seen[top.FullName()] = true
		todo = append(todo, top)
	}
	if len(more) == 0 && isWellKnown(asked) {
		todo = append(todo, asked)
	} else {
		need(asked)
	}
	for _, m := range more {
		need(m)
	}
	for shown := 0; len(todo) > 0; shown++ {
		next := todo[0]
		todo = todo[1:]
		if shown == typesShown {
			fmt.Fprintf(&s.text, "\n// And more types; describe them by name: %s, ...\n", next.FullName())
			return
		}
		s.add(next)
		if m, ok := next.(protoreflect.MessageDescriptor); ok {
			uses(m, need)
		}
	}
}

// isPlaceholder reports whether nobody has told what the name stands for.
func isPlaceholder(d protoreflect.Descriptor) bool { return d.ParentFile() == nil }

// isWellKnown reports whether a type comes with every compiler.
func isWellKnown(d protoreflect.Descriptor) bool {
	return !isPlaceholder(d) && d.ParentFile().Package() == "google.protobuf"
}

// outermost returns the message or enum of the file that a type is in, or is.
func outermost(d protoreflect.Descriptor) protoreflect.Descriptor {
	for {
		parent, ok := d.Parent().(protoreflect.MessageDescriptor)
		if !ok {
			return d
		}
		d = parent
	}
}

// uses tells need the types of all fields in a message and those inside it.
func uses(m protoreflect.MessageDescriptor, need func(protoreflect.Descriptor)) {
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		if inner := messageOf(f); inner != nil {
			need(inner)
		}
		if enum := enumOf(f); enum != nil {
			need(enum)
		}
	}
	for i := range m.Messages().Len() {
		if inner := m.Messages().Get(i); !inner.IsMapEntry() {
			uses(inner, need)
		}
	}
}

// Types returns the full names of the services, messages and enums that the server's own services lead to, sorted: for
// completion. Errors are those of [Client.Method].
func (c *Client) Types(ctx context.Context) ([]string, error) {
	session := c.schema.open(ctx)
	defer session.close()
	services, err := session.services()
	if err != nil {
		return nil, err
	}
	known := slices.DeleteFunc(session.known(services), func(d protoreflect.Descriptor) bool {
		_, isMethod := d.(protoreflect.MethodDescriptor)
		return isMethod
	})
	return fullNames(known), nil
}
