package rpccall

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/reflection"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	alphapb "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/pandakit/panda/internal/rpccall/rpccalltest"
)

// serve runs a server until the test ends.
func serve(t *testing.T, register func(*grpc.Server)) *Client {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	register(server)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return dial(t, listener.Addr().String())
}

func TestReflectionV1Alpha(t *testing.T) {
	c := serve(t, func(s *grpc.Server) {
		rpccalltest.Register(s)
		alphapb.RegisterServerReflectionServer(s, reflection.NewServer(reflection.ServerOptions{Services: s}))
	})
	for range 2 {
		got, err := call(t.Context(), c, method(t, c, "HelloService/SayHello"), `{"name":"a"}`)
		if err != nil || got != `{"msg":"你好,a"}` {
			t.Errorf("got %s, %v", got, err)
		}
	}
}

func TestNoReflection(t *testing.T) {
	c := serve(t, func(s *grpc.Server) { rpccalltest.Register(s) })
	if _, err := c.Method(t.Context(), "SayHello"); !errors.Is(err, ErrNoReflection) {
		t.Errorf("got %v", err)
	}
}

func TestMethodsOfAnUnreachableServer(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	c := dial(t, listener.Addr().String())
	_, err = c.Method(t.Context(), "SayHello")
	var failed *StatusError
	if !errors.As(err, &failed) || failed.Code != codes.Unavailable {
		t.Errorf("got %v", err)
	}
}

func TestMethods(t *testing.T) {
	c := dial(t, rpccalltest.Start(t))
	names, err := c.Methods(t.Context())
	if err != nil || len(names) != 12 || names[0] != "testpb.v1.HelloService/SayHello" || strings.Contains(strings.Join(names, " "), "grpc.") {
		t.Errorf("got %q, %v", names, err)
	}
}

// onlyThere is a protocol that this program is not linked with: in proto2, with an extension, an import
// that the server does not tell, and a type that is used inside an Any alone.
func onlyThere() []*descriptorpb.FileDescriptorProto {
	field := func(name string, number int32, typ descriptorpb.FieldDescriptorProto_Type, typeName string) *descriptorpb.FieldDescriptorProto {
		f := &descriptorpb.FieldDescriptorProto{
			Name: proto.String(name), Number: proto.Int32(number), Type: typ.Enum(), JsonName: proto.String(name),
			Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
		}
		if typeName != "" {
			f.TypeName = proto.String(typeName)
		}
		return f
	}
	str, msg := descriptorpb.FieldDescriptorProto_TYPE_STRING, descriptorpb.FieldDescriptorProto_TYPE_MESSAGE
	extension := field("nick", 100, str, "")
	extension.Extendee = proto.String(".there.Animal")
	return []*descriptorpb.FileDescriptorProto{{
		Name: proto.String("there/secret.proto"), Package: proto.String("there"), Syntax: proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{{
			Name: proto.String("Bamboo"), Field: []*descriptorpb.FieldDescriptorProto{field("kind", 1, str, "")},
		}},
	}, {
		Name: proto.String("there/zoo.proto"), Package: proto.String("there"), Syntax: proto.String("proto2"),
		Dependency: []string{"google/protobuf/any.proto", "there/options_that_nobody_has.proto"},
		MessageType: []*descriptorpb.DescriptorProto{{
			Name:           proto.String("Animal"),
			Field:          []*descriptorpb.FieldDescriptorProto{field("name", 1, str, ""), field("eats", 2, msg, ".google.protobuf.Any")},
			ExtensionRange: []*descriptorpb.DescriptorProto_ExtensionRange{{Start: proto.Int32(100), End: proto.Int32(200)}},
		}},
		Extension: []*descriptorpb.FieldDescriptorProto{extension},
		Service: []*descriptorpb.ServiceDescriptorProto{{
			Name: proto.String("Zoo"),
			Method: []*descriptorpb.MethodDescriptorProto{{
				Name: proto.String("Echo"), InputType: proto.String(".there.Animal"), OutputType: proto.String(".there.Animal"),
			}},
		}},
	}}
}

// registerZoo serves there.Zoo with reflection that knows onlyThere and the well-known types.
func registerZoo(t *testing.T, files *protoregistry.Files) func(*grpc.Server) {
	t.Helper()
	for _, file := range onlyThere() {
		descriptor, err := protodesc.FileOptions{AllowUnresolvable: true}.New(file, resolvers{files, protoregistry.GlobalFiles})
		if err != nil {
			t.Fatal(err)
		}
		if err := files.RegisterFile(descriptor); err != nil {
			t.Fatal(err)
		}
	}
	animal, err := files.FindDescriptorByName("there.Animal")
	if err != nil {
		t.Fatal(err)
	}
	return func(s *grpc.Server) {
		s.RegisterService(&grpc.ServiceDesc{
			ServiceName: "there.Zoo", HandlerType: (*any)(nil),
			Methods: []grpc.MethodDesc{{
				MethodName: "Echo",
				Handler: func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
					message := dynamicpb.NewMessage(animal.(protoreflect.MessageDescriptor))
					return message, decode(message)
				},
			}},
		}, struct{}{})
		reflectionpb.RegisterServerReflectionServer(s, reflection.NewServerV1(reflection.ServerOptions{
			Services: s, DescriptorResolver: resolvers{files, protoregistry.GlobalFiles},
		}))
	}
}

// resolvers asks the first, then the second.
type resolvers [2]*protoregistry.Files

func (r resolvers) FindFileByPath(path string) (protoreflect.FileDescriptor, error) {
	if d, err := r[0].FindFileByPath(path); err == nil {
		return d, nil
	}
	return r[1].FindFileByPath(path)
}

func (r resolvers) FindDescriptorByName(name protoreflect.FullName) (protoreflect.Descriptor, error) {
	if d, err := r[0].FindDescriptorByName(name); err == nil {
		return d, nil
	}
	return r[1].FindDescriptorByName(name)
}

func TestTypesThatOnlyTheServerHas(t *testing.T) {
	c := serve(t, registerZoo(t, new(protoregistry.Files)))
	input := `{"name":"panda","eats":{"@type":"type.googleapis.com/there.Bamboo","kind":"arrow"},"[there.nick]":"po"}`
	got, err := call(t.Context(), c, method(t, c, "Echo"), input)
	if err != nil || got != input {
		t.Errorf("got  %s, %v\nwant %s", got, err, input)
	}
}

// hostile answers reflection with what it is given.
type hostile struct {
	reflectionpb.UnimplementedServerReflectionServer
	files [][]byte
}

func (h hostile) ServerReflectionInfo(stream grpc.BidiStreamingServer[reflectionpb.ServerReflectionRequest, reflectionpb.ServerReflectionResponse]) error {
	for {
		question, err := stream.Recv()
		if err != nil {
			return nil //nolint:nilerr // the client has gone
		}
		answer := &reflectionpb.ServerReflectionResponse{}
		switch question.GetMessageRequest().(type) {
		case *reflectionpb.ServerReflectionRequest_ListServices:
			answer.MessageResponse = &reflectionpb.ServerReflectionResponse_ListServicesResponse{
				ListServicesResponse: &reflectionpb.ListServiceResponse{Service: []*reflectionpb.ServiceResponse{{Name: "a.S"}}},
			}
		case *reflectionpb.ServerReflectionRequest_FileContainingSymbol:
			answer.MessageResponse = &reflectionpb.ServerReflectionResponse_FileDescriptorResponse{
				FileDescriptorResponse: &reflectionpb.FileDescriptorResponse{FileDescriptorProto: h.files},
			}
		default:
			answer.MessageResponse = &reflectionpb.ServerReflectionResponse_ErrorResponse{
				ErrorResponse: &reflectionpb.ErrorResponse{ErrorCode: int32(codes.NotFound)},
			}
		}
		if err := stream.Send(answer); err != nil {
			return err
		}
	}
}

func TestServersThatTellNonsense(t *testing.T) {
	file := func(name string, imports ...string) []byte {
		raw, err := proto.Marshal(&descriptorpb.FileDescriptorProto{Name: proto.String(name), Package: proto.String("a"), Dependency: imports})
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	tests := map[string]struct {
		files [][]byte
		want  string
	}{
		"nothing":          {nil, "not found"},
		"not descriptors":  {[][]byte{{0xff, 0xff}}, "not a descriptor"},
		"another file":     {[][]byte{file("b.proto")}, "not found"},
		"import of itself": {[][]byte{file("b.proto", "b.proto")}, "cycle"},
		"import cycle":     {[][]byte{file("b.proto", "c.proto"), file("c.proto", "b.proto")}, "cycle"},
		"no name":          {[][]byte{file("")}, "not valid"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := serve(t, func(s *grpc.Server) {
				reflectionpb.RegisterServerReflectionServer(s, hostile{files: test.files})
			})
			_, err := c.Method(t.Context(), "M")
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q in it", err, test.want)
			}
		})
	}
}

func TestReflectionRefused(t *testing.T) {
	c := serve(t, func(s *grpc.Server) { reflectionpb.RegisterServerReflectionServer(s, refusing{}) })
	_, err := c.Method(t.Context(), "M")
	var failed *StatusError
	if !errors.As(err, &failed) || failed.Code != codes.PermissionDenied || !strings.Contains(err.Error(), "ask for the server's methods: PERMISSION_DENIED: not you") {
		t.Errorf("got %v", err)
	}
}

type refusing struct {
	reflectionpb.UnimplementedServerReflectionServer
}

func (refusing) ServerReflectionInfo(grpc.BidiStreamingServer[reflectionpb.ServerReflectionRequest, reflectionpb.ServerReflectionResponse]) error {
	return status.Error(codes.PermissionDenied, "not you")
}
