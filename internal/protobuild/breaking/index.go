package breaking

import (
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// extensionKey is what an extension is found by on the wire.
type extensionKey struct {
	extendee protoreflect.FullName
	number   protoreflect.FieldNumber
}

// index has the elements of a set of files by what they are found by.
type index struct {
	files      map[string]protoreflect.FileDescriptor
	messages   map[protoreflect.FullName]protoreflect.MessageDescriptor
	enums      map[protoreflect.FullName]protoreflect.EnumDescriptor
	services   map[protoreflect.FullName]protoreflect.ServiceDescriptor
	extensions map[extensionKey]protoreflect.FieldDescriptor
}

func newIndex(files []protoreflect.FileDescriptor) *index {
	x := &index{
		files:      make(map[string]protoreflect.FileDescriptor),
		messages:   make(map[protoreflect.FullName]protoreflect.MessageDescriptor),
		enums:      make(map[protoreflect.FullName]protoreflect.EnumDescriptor),
		services:   make(map[protoreflect.FullName]protoreflect.ServiceDescriptor),
		extensions: make(map[extensionKey]protoreflect.FieldDescriptor),
	}
	for _, file := range files {
		x.files[file.Path()] = file
		eachElement(file, func(d protoreflect.Descriptor) { x.add(d) })
		for i := range file.Services().Len() {
			service := file.Services().Get(i)
			x.services[service.FullName()] = service
		}
	}
	return x
}

func (x *index) add(d protoreflect.Descriptor) {
	switch d := d.(type) {
	case protoreflect.MessageDescriptor:
		x.messages[d.FullName()] = d
	case protoreflect.EnumDescriptor:
		x.enums[d.FullName()] = d
	case protoreflect.FieldDescriptor:
		x.extensions[extensionKey{d.ContainingMessage().FullName(), d.Number()}] = d
	}
}

// container is a file or a message: what holds messages, enums and extensions.
type container interface {
	Messages() protoreflect.MessageDescriptors
	Enums() protoreflect.EnumDescriptors
	Extensions() protoreflect.ExtensionDescriptors
}

// eachElement visits the messages, enums and extensions in c, nested ones too.
func eachElement(c container, visit func(protoreflect.Descriptor)) {
	for i := range c.Enums().Len() {
		visit(c.Enums().Get(i))
	}
	for i := range c.Extensions().Len() {
		visit(c.Extensions().Get(i))
	}
	for i := range c.Messages().Len() {
		visit(c.Messages().Get(i))
		eachElement(c.Messages().Get(i), visit)
	}
}

// nestedName is the name of an element within its file: without the package, so that an element is the same
// in a file whose package has changed.
func nestedName(d protoreflect.Descriptor) string {
	full, pkg := string(d.FullName()), string(d.ParentFile().Package())
	if pkg == "" {
		return full
	}
	return strings.TrimPrefix(full, pkg+".")
}

// The functions below make a rule's check of a function that judges one pair of elements.

func pairsOfFiles(judge func(p *pass, before, now protoreflect.FileDescriptor)) func(*pass) {
	return func(p *pass) {
		for path, before := range p.before.files {
			if now, still := p.now.files[path]; still {
				judge(p, before, now)
			}
		}
	}
}

func pairsOfMessages(judge func(p *pass, before, now protoreflect.MessageDescriptor)) func(*pass) {
	return func(p *pass) {
		for name, before := range p.before.messages {
			if now, still := p.now.messages[name]; still {
				judge(p, before, now)
			}
		}
	}
}

func pairsOfEnums(judge func(p *pass, before, now protoreflect.EnumDescriptor)) func(*pass) {
	return func(p *pass) {
		for name, before := range p.before.enums {
			if now, still := p.now.enums[name]; still {
				judge(p, before, now)
			}
		}
	}
}

func pairsOfServices(judge func(p *pass, before, now protoreflect.ServiceDescriptor)) func(*pass) {
	return func(p *pass) {
		for name, before := range p.before.services {
			if now, still := p.now.services[name]; still {
				judge(p, before, now)
			}
		}
	}
}

func pairsOfMethods(judge func(p *pass, before, now protoreflect.MethodDescriptor)) func(*pass) {
	return pairsOfServices(func(p *pass, before, now protoreflect.ServiceDescriptor) {
		for i := range before.Methods().Len() {
			method := before.Methods().Get(i)
			if still := now.Methods().ByName(method.Name()); still != nil {
				judge(p, method, still)
			}
		}
	})
}

// pairsOfFields pairs fields, and extensions, by their numbers.
func pairsOfFields(judge func(p *pass, before, now protoreflect.FieldDescriptor)) func(*pass) {
	ofMessages := pairsOfMessages(func(p *pass, before, now protoreflect.MessageDescriptor) {
		for i := range before.Fields().Len() {
			field := before.Fields().Get(i)
			if still := now.Fields().ByNumber(field.Number()); still != nil {
				judge(p, field, still)
			}
		}
	})
	return func(p *pass) {
		ofMessages(p)
		for key, before := range p.before.extensions {
			if now, still := p.now.extensions[key]; still {
				judge(p, before, now)
			}
		}
	}
}
