package rpccall

import (
	"fmt"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// What a server may tell about itself is bounded: it is not trusted more than any other input.
const (
	maxFiles       = 4096
	maxSchemaBytes = 64 << 20
	maxServices    = 4096
)

// schema is what a server has told by reflection so far: files of descriptors, each taken once.
type schema struct {
	conn grpc.ClientConnInterface

	mu       sync.Mutex
	protocol string // the reflection service that the server has
	files    *protoregistry.Files
	types    *dynamicpb.Types
	unknown  map[string]bool // symbols that the server does not know either
	bytes    int
}

func newSchema(conn grpc.ClientConnInterface) *schema {
	files := new(protoregistry.Files)
	return &schema{
		conn:     conn,
		protocol: reflectionV1,
		files:    files,
		types:    dynamicpb.NewTypes(files),
		unknown:  make(map[string]bool),
	}
}

// service returns the descriptor of a service, asking the server unless it is known already.
func (s *session) service(name string) (protoreflect.ServiceDescriptor, error) {
	d, err := s.symbol(name)
	if err != nil {
		return nil, err
	}
	sd, ok := d.(protoreflect.ServiceDescriptor)
	if !ok {
		return nil, fmt.Errorf("describe service %q: the server's descriptors call it something else", name)
	}
	return sd, nil
}

// symbol returns the descriptor of a service, message or extension.
func (s *session) symbol(name string) (protoreflect.Descriptor, error) {
	s.schema.mu.Lock()
	defer s.schema.mu.Unlock()
	full := protoreflect.FullName(name)
	if d, err := s.schema.files.FindDescriptorByName(full); err == nil {
		return d, nil
	}
	if s.schema.unknown[name] {
		return nil, protoregistry.NotFound
	}
	files, err := s.filesWith(name)
	if err != nil {
		if isNotFound(err) && len(s.schema.unknown) < maxFiles {
			s.schema.unknown[name] = true
		}
		return nil, err
	}
	if err := s.add(files); err != nil {
		return nil, fmt.Errorf("describe %s: the server's descriptors are not valid: %w", name, err)
	}
	return s.schema.files.FindDescriptorByName(full)
}

// add registers files, those they import first. An import that nobody knows is left open: it is often
// only an option that the server was built without.
func (s *session) add(files []*descriptorpb.FileDescriptorProto) error {
	a := adding{session: s, pending: make(map[string]*descriptorpb.FileDescriptorProto), begun: make(map[string]bool)}
	a.take(files)
	for _, f := range files {
		if err := a.register(f.GetName()); err != nil {
			return err
		}
	}
	return nil
}

// adding is one run of add.
type adding struct {
	session *session
	pending map[string]*descriptorpb.FileDescriptorProto
	begun   map[string]bool // a file that is begun and not registered imports itself
}

func (a *adding) take(files []*descriptorpb.FileDescriptorProto) {
	for _, f := range files {
		a.pending[f.GetName()] = f
	}
}

func (a *adding) register(name string) error {
	schema := a.session.schema
	if _, err := schema.files.FindFileByPath(name); err == nil {
		return nil
	}
	if a.begun[name] {
		return fmt.Errorf("import cycle through %q", name)
	}
	a.begun[name] = true
	file := a.file(name)
	if file == nil {
		delete(a.begun, name)
		return a.session.registerLinked(name)
	}
	if schema.bytes += proto.Size(file); schema.bytes > maxSchemaBytes || len(a.begun) > maxFiles || schema.files.NumFiles() >= maxFiles {
		return fmt.Errorf("more than %d files or %d bytes", maxFiles, maxSchemaBytes)
	}
	for _, dependency := range file.GetDependency() {
		if err := a.register(dependency); err != nil {
			return err
		}
	}
	descriptor, err := protodesc.FileOptions{AllowUnresolvable: true}.New(file, schema.files)
	if err != nil {
		return err
	}
	return schema.files.RegisterFile(descriptor)
}

// file returns a file, asking the server unless it was told already; nil when the server does not know it.
func (a *adding) file(name string) *descriptorpb.FileDescriptorProto {
	if a.pending[name] == nil {
		if files, err := a.session.fileNamed(name); err == nil {
			a.take(files)
		}
	}
	return a.pending[name]
}

// registerLinked takes a file that the server imports and does not tell from what this program is
// linked with, which has the well-known types.
func (s *session) registerLinked(name string) error {
	descriptor, err := protoregistry.GlobalFiles.FindFileByPath(name)
	if err != nil {
		return nil //nolint:nilerr // left open, see add
	}
	return s.schema.files.RegisterFile(descriptor)
}
