package rpccall

import (
	"errors"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/reflection"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/pandakit/panda/internal/rpccall/internal/testpb"
	"github.com/pandakit/panda/internal/rpccall/rpccalltest"
)

func describeNamed(t *testing.T, c *Client, name string) *Description {
	t.Helper()
	d, err := c.Describe(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDescribeAMethod(t *testing.T) {
	c := dial(t, rpccalltest.Start(t))
	for _, name := range []string{"testpb.v1.HelloService/SayHello", "HelloService/SayHello", "HelloService.SayHello", "/testpb.v1.HelloService/SayHello"} {
		d := describeNamed(t, c, name)
		want := `package testpb.v1;

service HelloService {
  rpc SayHello(HelloRequest) returns (HelloReply);
}

message HelloRequest {
  string name = 1;
}

message HelloReply {
  string msg = 1;
}
`
		if d.Kind != KindMethod || d.Name != "testpb.v1.HelloService/SayHello" || d.Source != want || d.Template != `{"name":""}` {
			t.Errorf("%s: got %+v", name, d)
		}
	}
}

func TestDescribeKinds(t *testing.T) {
	c := dial(t, rpccalltest.Start(t))
	tests := []struct {
		name, full string
		kind       Kind
		source     string
	}{
		{"HelloService", "testpb.v1.HelloService", KindService, "rpc Wait(google.protobuf.Empty) returns (google.protobuf.Empty);"},
		{"testpb.v1.Colour", "testpb.v1.Colour", KindEnum, "COLOUR_RED = 1;"},
		{"Colour", "testpb.v1.Colour", KindEnum, "COLOUR_RED = 1;"},
		{"Nested", "testpb.v1.Everything.Nested", KindMessage, "message Everything {"},
		{"Everything", "testpb.v1.Everything", KindMessage, "enum Colour {"},
		{"google.protobuf.Timestamp", "google.protobuf.Timestamp", KindMessage, "int64 seconds = 1;"},
		{"Health/Check", "grpc.health.v1.Health/Check", KindMethod, "enum ServingStatus {"},
	}
	for _, test := range tests {
		d := describeNamed(t, c, test.name)
		if d.Name != test.full || d.Kind != test.kind || !strings.Contains(d.Source, test.source) {
			t.Errorf("%s: got %s %s\n%s", test.name, d.Kind, d.Name, d.Source)
		}
	}
	services, err := c.Services(t.Context())
	if err != nil || len(services) != 3 || services[0].Name != "testpb.v1.HelloService" || len(services[1].Methods) != 8 {
		t.Errorf("got %+v, %v", services, err)
	}
}

func TestDescribeUnknownNames(t *testing.T) {
	c := dial(t, rpccalltest.Start(t))
	for name, want := range map[string]string{
		"SayHelo":              `no service, method, message or enum "SayHelo"; near: testpb.v1.HelloService/SayHello, testpb.v2.GreeterService/SayHello`,
		"HeloRequest":          `no service, method, message or enum "HeloRequest"; near: testpb.v1.HelloRequest`,
		"testpb.v1.Everythin":  `no service, method, message or enum "testpb.v1.Everythin"; near: testpb.v1.Everything`,
		"Everything.Nestd":     `no service, method, message or enum "Everything.Nestd"; near: testpb.v1.Everything.Nested`,
		"Wxyz":                 `no service, method, message or enum "Wxyz"; services: testpb.v1.HelloService, testpb.v1.KindsService, testpb.v2.GreeterService`,
		"\x1b[31m":             `no service, method, message or enum "\x1b[31m"; services: `,
		"HelloService/SayHelo": `no service, method, message or enum "HelloService/SayHelo"; near: testpb.v1.HelloService/SayHello`,
		"":                     `no service, method, message or enum ""; services: `,
	} {
		_, err := c.Describe(t.Context(), name)
		if _, ok := errors.AsType[*UnknownNameError](err); !ok || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: got %v\nwant %s", name, err, want)
		}
	}
	_, err := c.Describe(t.Context(), "SayHello")
	if ambiguous, ok := errors.AsType[*AmbiguousNameError](err); !ok || len(ambiguous.Candidates) != 2 {
		t.Errorf("got %v", err)
	}
}

// A server that leaves out files, and puts escapes into comments and options, is shown as far as it goes.
func TestDescribeAHostileServer(t *testing.T) {
	c := serve(t, func(s *grpc.Server) {
		registerHostile(t, s)
	})
	d := describeNamed(t, c, "Do")
	for _, want := range []string{`// \u001b[31mred`, "rpc Do(Request) returns (other.Missing);", "other.Missing gone = 1;", "other.Colour colour = 2;"} {
		if !strings.Contains(d.Source, want) {
			t.Errorf("the source lacks %q:\n%s", want, d.Source)
		}
	}
	if strings.ContainsAny(d.Source+d.Template+d.Methods[0].Comment, "\x1b\u009b") {
		t.Errorf("a control character is left: %q", d.Source)
	}
	if d.Template != `{"gone":{},"colour":0}` {
		t.Errorf("got %s", d.Template)
	}
	for _, input := range []string{`{"gone":{"a":1}}`, `{"gone":{"a":{"b":1}}}`, `{"colour":"RED"}`, `{"b":1}`} {
		if _, err := call(t.Context(), c, method(t, c, "Do"), input); !asInputError(err) {
			t.Errorf("%s: got %v", input, err)
		}
	}
}

func registerHostile(t *testing.T, s *grpc.Server) {
	t.Helper()
	file := &descriptorpb.FileDescriptorProto{
		Name: proto.String("hostile.proto"), Package: proto.String("hostile"), Syntax: proto.String("proto3"),
		Dependency: []string{"other.proto"},
		MessageType: []*descriptorpb.DescriptorProto{{Name: proto.String("Request"), Field: []*descriptorpb.FieldDescriptorProto{{
			Name: proto.String("gone"), Number: proto.Int32(1), JsonName: proto.String("gone"), TypeName: proto.String(".other.Missing"),
			Type: descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum(), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
		}, {
			Name: proto.String("colour"), Number: proto.Int32(2), JsonName: proto.String("colour"), TypeName: proto.String(".other.Colour"),
			Type: descriptorpb.FieldDescriptorProto_TYPE_ENUM.Enum(), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
		}}}},
		Service: []*descriptorpb.ServiceDescriptorProto{{Name: proto.String("Service"), Method: []*descriptorpb.MethodDescriptorProto{{
			Name: proto.String("Do"), InputType: proto.String(".hostile.Request"), OutputType: proto.String(".other.Missing"),
		}}}},
		SourceCodeInfo: &descriptorpb.SourceCodeInfo{Location: []*descriptorpb.SourceCodeInfo_Location{{
			Path: []int32{6, 0, 2, 0}, Span: []int32{1, 1, 1}, LeadingComments: proto.String(" \x1b[31mred \u009b31m \u202e"),
		}}},
	}
	descriptor, err := protodesc.FileOptions{AllowUnresolvable: true}.New(file, protoregistry.GlobalFiles)
	if err != nil {
		t.Fatal(err)
	}
	files := new(protoregistry.Files)
	if err := files.RegisterFile(descriptor); err != nil {
		t.Fatal(err)
	}
	s.RegisterService(&grpc.ServiceDesc{ServiceName: "hostile.Service", HandlerType: (*any)(nil)}, nil)
	reflectionpb.RegisterServerReflectionServer(s, reflection.NewServerV1(reflection.ServerOptions{Services: s, DescriptorResolver: files}))
}

// Every message that this test links has a template that can be sent as it is.
func TestTemplatesAreTaken(t *testing.T) {
	count := 0
	check := func(md protoreflect.MessageDescriptor) {
		count++
		text := template(md)
		s := newSchema(nobody{})
		if _, err := s.decode(t.Context(), value{raw: text, at: position{1, 1}}, md); err != nil {
			t.Errorf("%s: %v\n%s", md.FullName(), err, text)
		}
	}
	protoregistry.GlobalFiles.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		for _, d := range typesIn(file) {
			if md, ok := d.(protoreflect.MessageDescriptor); ok {
				check(md)
			}
		}
		return true
	})
	if count < 100 {
		t.Errorf("only %d messages", count)
	}
}

func TestTemplate(t *testing.T) {
	got := string(template((&testpb.Everything{}).ProtoReflect().Descriptor()))
	want := `{"aDouble":0,"aFloat":0,"anInt32":0,"anInt64":"0","aUint32":0,"aUint64":"0","aSint32":0,"aSint64":"0","aFixed32":0,` +
		`"aFixed64":"0","aSfixed32":0,"aSfixed64":"0","aBool":false,"aString":"","aBytes":"","colour":"COLOUR_UNSPECIFIED","nested":{"street":""},` +
		`"words":[""],"children":[{"street":""}],"counts":{"key":0},"byNumber":{"0":{"street":""}},"left":"","maybe":0,` +
		`"at":"1970-01-01T00:00:00Z","during":"0s","free":{},"any":{}}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// Messages that lead to ever more messages have a template of bounded size.
func TestTemplateIsBounded(t *testing.T) {
	file := &descriptorpb.FileDescriptorProto{Name: proto.String("wide.proto"), Syntax: proto.String("proto3")}
	for i := range 20 {
		m := &descriptorpb.DescriptorProto{Name: proto.String(string(rune('A' + i)))}
		for k := range 20 {
			f := &descriptorpb.FieldDescriptorProto{
				Name: proto.String("f" + string(rune('a'+k))), Number: proto.Int32(int32(k) + 1), Label: descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum(),
				Type: descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum(), TypeName: proto.String("." + string(rune('A'+k))),
			}
			f.JsonName = f.Name
			m.Field = append(m.Field, f)
		}
		file.MessageType = append(file.MessageType, m)
	}
	descriptor, err := protodesc.NewFile(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	if text := template(descriptor.Messages().Get(0)); len(text) > 100_000 {
		t.Errorf("the template has %d bytes", len(text))
	}
}
