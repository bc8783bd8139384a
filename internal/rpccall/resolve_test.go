package rpccall

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// describing returns the descriptors of services written as "package.Service: Method Method".
func describing(t *testing.T, lines ...string) ([]string, describe) {
	t.Helper()
	var names []string
	found := make(map[string]protoreflect.ServiceDescriptor)
	for _, line := range lines {
		full, methods, _ := strings.Cut(line, ": ")
		dot := strings.LastIndexByte(full, '.')
		service := &descriptorpb.ServiceDescriptorProto{Name: proto.String(full[dot+1:])}
		for m := range strings.FieldsSeq(methods) {
			service.Method = append(service.Method, &descriptorpb.MethodDescriptorProto{
				Name: proto.String(m), InputType: proto.String("." + full[:dot] + ".M"), OutputType: proto.String("." + full[:dot] + ".M"),
			})
		}
		file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
			Name: proto.String(full + ".proto"), Package: proto.String(full[:dot]), Syntax: proto.String("proto3"),
			MessageType: []*descriptorpb.DescriptorProto{{Name: proto.String("M")}},
			Service:     []*descriptorpb.ServiceDescriptorProto{service},
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, full)
		found[full] = file.Services().Get(0)
	}
	return names, func(name string) (protoreflect.ServiceDescriptor, error) {
		if sd, ok := found[name]; ok {
			return sd, nil
		}
		return nil, protoregistry.NotFound
	}
}

func TestResolveMethod(t *testing.T) {
	services, describe := describing(t,
		"myproto.HelloService: SayHello SayGoodbye",
		"shop.v1.Order: Create Check",
		"shop.v2.Order: Create",
		"grpc.health.v1.Health: Check Watch",
	)
	services = append(services, "nobody.Describes")
	tests := []struct{ name, want string }{
		{"SayHello", "myproto.HelloService/SayHello"},
		{"HelloService/SayHello", "myproto.HelloService/SayHello"},
		{"HelloService.SayHello", "myproto.HelloService/SayHello"},
		{"myproto.HelloService/SayHello", "myproto.HelloService/SayHello"},
		{"myproto.HelloService.SayHello", "myproto.HelloService/SayHello"},
		{"/myproto.HelloService/SayHello", "myproto.HelloService/SayHello"},
		{"v2.Order/Create", "shop.v2.Order/Create"},
		{"Check", "shop.v1.Order/Check"},
		{"Health/Check", "grpc.health.v1.Health/Check"},
		{"Watch", "grpc.health.v1.Health/Watch"},
	}
	for _, test := range tests {
		md, err := resolveMethod(test.name, services, describe)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
		} else if got := (&Method{md}).String(); got != test.want {
			t.Errorf("%s: got %s, want %s", test.name, got, test.want)
		}
	}
}

func TestResolveMethodAmbiguous(t *testing.T) {
	services, describe := describing(t, "shop.v1.Order: Create", "shop.v2.Order: Create")
	for _, name := range []string{"Create", "Order/Create", "Order.Create"} {
		_, err := resolveMethod(name, services, describe)
		var ambiguous *AmbiguousMethodError
		if !errors.As(err, &ambiguous) || !slices.Equal(ambiguous.Candidates, []string{"shop.v1.Order/Create", "shop.v2.Order/Create"}) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestResolveMethodUnknown(t *testing.T) {
	services, describe := describing(t,
		"myproto.HelloService: SayHello SayGoodbye",
		"shop.v1.Order: Create",
		"grpc.health.v1.Health: Check Watch",
	)
	all := "myproto.HelloService/SayGoodbye, myproto.HelloService/SayHello, shop.v1.Order/Create"
	tests := []struct{ name, want string }{
		{"SayHelo", `no method "SayHelo"; near: myproto.HelloService/SayHello`},
		{"sayhello", `no method "sayhello"; near: myproto.HelloService/SayHello`},
		{"HelloService/SayHelo", `no method "HelloService/SayHelo"; near: myproto.HelloService/SayHello`},
		{"HeloService/SayHello", `no method "HeloService/SayHello"; near: myproto.HelloService/SayHello`},
		{"Bake", `no method "Bake"; methods: ` + all},
		{"Order/Bake", `no method "Order/Bake"; methods: shop.v1.Order/Create`},
		{"shop.v1.Order", `no method "shop.v1.Order"; near: shop.v1.Order/Create`},
		{"", `no method ""; methods: ` + all},
		{"/", `no method "/"; methods: ` + all},
	}
	for _, test := range tests {
		_, err := resolveMethod(test.name, services, describe)
		if err == nil || err.Error() != test.want {
			t.Errorf("%s:\ngot  %v\nwant %s", test.name, err, test.want)
		}
	}
	if _, err := resolveMethod("Bake", nil, describe); err == nil || !strings.Contains(err.Error(), "no services but gRPC's own") {
		t.Errorf("no services at all: got %v", err)
	}
}
