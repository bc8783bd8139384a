package document

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"
)

// annotations reads options that are defined in .proto files, such as google.api.http, whatever this program is
// linked with.
type annotations struct{ types *dynamicpb.Types }

func newAnnotations(files []protoreflect.FileDescriptor) *annotations {
	registry := new(protoregistry.Files)
	seen := make(map[string]bool)
	var add func(file protoreflect.FileDescriptor)
	add = func(file protoreflect.FileDescriptor) {
		if imported, ok := file.(protoreflect.FileImport); ok {
			file = imported.FileDescriptor
		}
		if seen[file.Path()] || file.IsPlaceholder() {
			return
		}
		seen[file.Path()] = true
		for i := range file.Imports().Len() {
			add(file.Imports().Get(i).FileDescriptor)
		}
		_ = registry.RegisterFile(file) // a second definition of a name is not looked for
	}
	for _, file := range files {
		add(file)
	}
	return &annotations{dynamicpb.NewTypes(registry)}
}

// of returns the value of an option of d by the full name of its extension; it is invalid when d has none.
func (a *annotations) of(d protoreflect.Descriptor, name protoreflect.FullName) protoreflect.Value {
	options := d.Options()
	if options == nil || !options.ProtoReflect().IsValid() {
		return protoreflect.Value{}
	}
	extension, err := a.types.FindExtensionByName(name)
	if err != nil || extension.TypeDescriptor().ContainingMessage().FullName() != options.ProtoReflect().Descriptor().FullName() {
		return protoreflect.Value{}
	}
	raw, err := proto.Marshal(options)
	if err != nil {
		return protoreflect.Value{}
	}
	read := options.ProtoReflect().New()
	if err := (proto.UnmarshalOptions{Resolver: a.types, AllowPartial: true}).Unmarshal(raw, read.Interface()); err != nil {
		return protoreflect.Value{}
	}
	var found protoreflect.Value
	read.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if f.FullName() == name {
			found = v
		}
		return !found.IsValid()
	})
	return found
}

// get returns a field of a message by name; it is invalid when the message has no such field.
func get(m protoreflect.Message, name protoreflect.Name) protoreflect.Value {
	field := m.Descriptor().Fields().ByName(name)
	if field == nil {
		return protoreflect.Value{}
	}
	return m.Get(field)
}

// text returns a field of a message that is a string, or "".
func text(m protoreflect.Message, name protoreflect.Name) string {
	if v := get(m, name); v.IsValid() {
		if s, ok := v.Interface().(string); ok {
			return s
		}
	}
	return ""
}

// behavior is what google.api.field_behavior says of a field.
type behavior struct{ required, outputOnly, inputOnly, immutable bool }

func (a *annotations) behavior(f protoreflect.FieldDescriptor) behavior {
	b := behavior{required: f.Cardinality() == protoreflect.Required}
	value := a.of(f, "google.api.field_behavior")
	if !value.IsValid() {
		return b
	}
	list, ok := value.Interface().(protoreflect.List)
	if !ok {
		return b
	}
	for i := range list.Len() {
		switch list.Get(i).Enum() { // as numbered in google/api/field_behavior.proto
		case 2:
			b.required = true
		case 3:
			b.outputOnly = true
		case 4:
			b.inputOnly = true
		case 5:
			b.immutable = true
		}
	}
	return b
}

// binding is one way to call a method by HTTP.
type binding struct {
	verb         string // in lower case, as OpenAPI has it
	path         string // a template of google.api.http
	body         string // "*", the name of a field, or "" for none
	responseBody string // the name of a field, or ""
}

// bindings returns what google.api.http says of a method; none without it.
func (a *annotations) bindings(m protoreflect.MethodDescriptor) []binding {
	value := a.of(m, "google.api.http")
	if !value.IsValid() {
		return nil
	}
	rule, ok := value.Interface().(protoreflect.Message)
	if !ok {
		return nil
	}
	list := appendBinding(nil, rule)
	if more, ok := get(rule, "additional_bindings").Interface().(protoreflect.List); ok {
		for i := range more.Len() {
			list = appendBinding(list, more.Get(i).Message())
		}
	}
	return list
}

func appendBinding(list []binding, rule protoreflect.Message) []binding {
	for _, verb := range []string{"get", "put", "post", "delete", "patch"} {
		if path := text(rule, protoreflect.Name(verb)); path != "" {
			return append(list, binding{verb, path, text(rule, "body"), text(rule, "response_body")})
		}
	}
	return list // a custom verb has no place in OpenAPI
}
