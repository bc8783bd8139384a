package lint

import "google.golang.org/protobuf/reflect/protoreflect"

// The functions below make a rule's check of a function that judges one element.

func eachFile(judge func(*pass, protoreflect.FileDescriptor)) func(*pass) {
	return func(p *pass) {
		for _, file := range p.files {
			judge(p, file)
		}
	}
}

// container is a file or a message: what holds messages, enums and extensions.
type container interface {
	Messages() protoreflect.MessageDescriptors
	Enums() protoreflect.EnumDescriptors
	Extensions() protoreflect.ExtensionDescriptors
}

// walkMessages visits all messages but those that the compiler makes of maps.
func walkMessages(c container, visit func(protoreflect.MessageDescriptor)) {
	for i := range c.Messages().Len() {
		m := c.Messages().Get(i)
		if !m.IsMapEntry() {
			visit(m)
			walkMessages(m, visit)
		}
	}
}

func walkEnums(c container, visit func(protoreflect.EnumDescriptor)) {
	for i := range c.Enums().Len() {
		visit(c.Enums().Get(i))
	}
	walkNested(c, func(m protoreflect.MessageDescriptor) { walkEnums(m, visit) })
}

func walkNested(c container, visit func(protoreflect.MessageDescriptor)) {
	for i := range c.Messages().Len() {
		visit(c.Messages().Get(i))
	}
}

// walkFields visits fields and extensions.
func walkFields(c container, visit func(protoreflect.FieldDescriptor)) {
	for i := range c.Extensions().Len() {
		visit(c.Extensions().Get(i))
	}
	walkNested(c, func(m protoreflect.MessageDescriptor) {
		if m.IsMapEntry() {
			return
		}
		for i := range m.Fields().Len() {
			visit(m.Fields().Get(i))
		}
		walkFields(m, visit)
	})
}

func eachMessage(judge func(*pass, protoreflect.MessageDescriptor)) func(*pass) {
	return eachFile(func(p *pass, file protoreflect.FileDescriptor) {
		walkMessages(file, func(m protoreflect.MessageDescriptor) { judge(p, m) })
	})
}

func eachEnum(judge func(*pass, protoreflect.EnumDescriptor)) func(*pass) {
	return eachFile(func(p *pass, file protoreflect.FileDescriptor) {
		walkEnums(file, func(e protoreflect.EnumDescriptor) { judge(p, e) })
	})
}

func eachValue(judge func(*pass, protoreflect.EnumValueDescriptor)) func(*pass) {
	return eachEnum(func(p *pass, e protoreflect.EnumDescriptor) {
		for i := range e.Values().Len() {
			judge(p, e.Values().Get(i))
		}
	})
}

func eachField(judge func(*pass, protoreflect.FieldDescriptor)) func(*pass) {
	return eachFile(func(p *pass, file protoreflect.FileDescriptor) {
		walkFields(file, func(f protoreflect.FieldDescriptor) { judge(p, f) })
	})
}

func eachOneof(judge func(*pass, protoreflect.OneofDescriptor)) func(*pass) {
	return eachMessage(func(p *pass, m protoreflect.MessageDescriptor) {
		for i := range m.Oneofs().Len() {
			if o := m.Oneofs().Get(i); !o.IsSynthetic() {
				judge(p, o)
			}
		}
	})
}

func eachService(judge func(*pass, protoreflect.ServiceDescriptor)) func(*pass) {
	return eachFile(func(p *pass, file protoreflect.FileDescriptor) {
		for i := range file.Services().Len() {
			judge(p, file.Services().Get(i))
		}
	})
}

func eachMethod(judge func(*pass, protoreflect.MethodDescriptor)) func(*pass) {
	return eachService(func(p *pass, s protoreflect.ServiceDescriptor) {
		for i := range s.Methods().Len() {
			judge(p, s.Methods().Get(i))
		}
	})
}
