package breaking

import (
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/pandakit/panda/internal/protobuild/place"
)

func filesKept(p *pass) {
	for path := range p.before.files {
		if p.now.files[path] == nil {
			p.report(path, place.Place{Path: path}, "the file was removed")
		}
	}
}

var messagesKept = pairsOfFiles(func(p *pass, before, now protoreflect.FileDescriptor) {
	p.elementsKept(before, now, "message", func(d protoreflect.Descriptor) bool {
		_, ok := d.(protoreflect.MessageDescriptor)
		return ok
	})
})

var enumsKept = pairsOfFiles(func(p *pass, before, now protoreflect.FileDescriptor) {
	p.elementsKept(before, now, "enum", func(d protoreflect.Descriptor) bool {
		_, ok := d.(protoreflect.EnumDescriptor)
		return ok
	})
})

var extensionsKept = pairsOfFiles(func(p *pass, before, now protoreflect.FileDescriptor) {
	p.elementsKept(before, now, "extension", func(d protoreflect.Descriptor) bool {
		_, ok := d.(protoreflect.FieldDescriptor)
		return ok
	})
})

// elementsKept reports elements of one kind that are no longer in the file, at what they were nested in.
func (p *pass) elementsKept(before, now protoreflect.FileDescriptor, kind string, of func(protoreflect.Descriptor) bool) {
	still := make(map[string]bool)
	containers := make(map[string]protoreflect.Descriptor)
	eachElement(now, func(d protoreflect.Descriptor) {
		if of(d) {
			still[nestedName(d)] = true
		}
		if m, ok := d.(protoreflect.MessageDescriptor); ok {
			containers[nestedName(m)] = m
		}
	})
	eachElement(before, func(d protoreflect.Descriptor) {
		name := nestedName(d)
		if !of(d) || still[name] {
			return
		}
		text := kind + " " + name + " was removed from its file"
		if elsewhere := p.movedTo(d); elsewhere != "" {
			text += ` (it is in "` + elsewhere + `" now)`
		}
		p.report(before.Path()+" "+name, containerPlace(now, containers, name), "%s", text)
	})
}

// movedTo returns the file that now has an element of the same full name and kind, or "".
func (p *pass) movedTo(d protoreflect.Descriptor) string {
	var found protoreflect.Descriptor
	switch d := d.(type) {
	case protoreflect.MessageDescriptor:
		if m, ok := p.now.messages[d.FullName()]; ok {
			found = m
		}
	case protoreflect.EnumDescriptor:
		if e, ok := p.now.enums[d.FullName()]; ok {
			found = e
		}
	case protoreflect.ServiceDescriptor:
		if s, ok := p.now.services[d.FullName()]; ok {
			found = s
		}
	}
	if found == nil {
		return ""
	}
	return found.ParentFile().Path()
}

// containerPlace is the place of the innermost message that still holds, or held, the name; else the file.
func containerPlace(now protoreflect.FileDescriptor, containers map[string]protoreflect.Descriptor, name string) place.Place {
	for {
		dot := strings.LastIndexByte(name, '.')
		if dot < 0 {
			return place.Place{Path: now.Path()}
		}
		name = name[:dot]
		if container := containers[name]; container != nil {
			return place.Of(container)
		}
	}
}

var servicesKept = pairsOfFiles(func(p *pass, before, now protoreflect.FileDescriptor) {
	for i := range before.Services().Len() {
		service := before.Services().Get(i)
		if now.Services().ByName(service.Name()) != nil {
			continue
		}
		text := "service " + string(service.Name()) + " was removed from its file"
		if elsewhere := p.movedTo(service); elsewhere != "" {
			text += ` (it is in "` + elsewhere + `" now)`
		}
		p.report(string(service.FullName()), place.Place{Path: now.Path()}, "%s", text)
	}
})

func servicesKeptAnywhere(p *pass) {
	for name, service := range p.before.services {
		if p.now.services[name] == nil {
			p.report(string(name), place.Place{Path: service.ParentFile().Path()}, "service %s was removed", name)
		}
	}
}

func methodsKept(p *pass, before, now protoreflect.ServiceDescriptor) {
	for i := range before.Methods().Len() {
		method := before.Methods().Get(i)
		if now.Methods().ByName(method.Name()) == nil {
			p.report(string(method.FullName()), place.Of(now), "method %s of service %s was removed", method.Name(), now.FullName())
		}
	}
}

// oneofsKept leaves out those that stand for a proto3 "optional".
func oneofsKept(p *pass, before, now protoreflect.MessageDescriptor) {
	for i := range before.Oneofs().Len() {
		oneof := before.Oneofs().Get(i)
		if !oneof.IsSynthetic() && now.Oneofs().ByName(oneof.Name()) == nil {
			p.report(string(oneof.FullName()), place.Of(now), "oneof %s of message %s was removed", oneof.Name(), now.FullName())
		}
	}
}
