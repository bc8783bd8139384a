package rpccall

import (
	"context"
	"strings"
	"sync"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/runtime/protoiface"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	_ "google.golang.org/genproto/googleapis/rpc/errdetails" // the usual details of a status, for servers that do not tell them
)

// resolver finds the types inside google.protobuf.Any and the extensions: first those that the server
// told, then by asking it, then those that this program is linked with.
type resolver struct {
	ctx    context.Context //nolint:containedctx // protojson's resolver has no other way in
	schema *schema
	// lenient shows a message of unknown type as its bytes: for output, where the rest is worth seeing.
	lenient bool
}

func (r resolver) FindMessageByURL(url string) (protoreflect.MessageType, error) {
	name := url[strings.LastIndexByte(url, '/')+1:]
	if t, err := r.FindMessageByName(protoreflect.FullName(name)); err == nil || !r.lenient {
		return t, err
	}
	return undecodedType{}, nil
}

func (r resolver) FindMessageByName(name protoreflect.FullName) (protoreflect.MessageType, error) {
	r.learn(name)
	r.schema.mu.Lock()
	t, err := r.schema.types.FindMessageByName(name)
	r.schema.mu.Unlock()
	if err == nil {
		return t, nil
	}
	return protoregistry.GlobalTypes.FindMessageByName(name)
}

func (r resolver) FindExtensionByName(name protoreflect.FullName) (protoreflect.ExtensionType, error) {
	r.learn(name)
	r.schema.mu.Lock()
	t, err := r.schema.types.FindExtensionByName(name)
	r.schema.mu.Unlock()
	if err == nil {
		return t, nil
	}
	return protoregistry.GlobalTypes.FindExtensionByName(name)
}

func (r resolver) FindExtensionByNumber(message protoreflect.FullName, field protoreflect.FieldNumber) (protoreflect.ExtensionType, error) {
	r.schema.mu.Lock()
	t, err := r.schema.types.FindExtensionByNumber(message, field)
	r.schema.mu.Unlock()
	if err == nil {
		return t, nil
	}
	return protoregistry.GlobalTypes.FindExtensionByNumber(message, field)
}

// learn asks the server for a symbol. That it does not know it, or does not answer, only leaves the
// symbol unresolved: the error of what needed it names it.
func (r resolver) learn(name protoreflect.FullName) {
	if !name.IsValid() {
		return
	}
	session := r.schema.open(r.ctx)
	defer session.close()
	_, _ = session.symbol(string(name))
}

// undecodedType is the type of a message inside an Any that nobody knows. It keeps the bytes, which are
// then printed in base64 as the field "undecoded", rather than nothing or an error for the whole answer.
type undecodedType struct{}

var undecodedDescriptor = sync.OnceValue(func() protoreflect.MessageDescriptor {
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("panda/undecoded.proto"), Package: proto.String("panda"), Syntax: proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{{
			Name: proto.String("Undecoded"),
			Field: []*descriptorpb.FieldDescriptorProto{{
				Name: proto.String("undecoded"), JsonName: proto.String("undecoded"), Number: proto.Int32(1),
				Type:  descriptorpb.FieldDescriptorProto_TYPE_BYTES.Enum(),
				Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
			}},
		}},
	}, nil)
	if err != nil {
		panic(err) // the literal above is wrong
	}
	return file.Messages().Get(0)
})

func (undecodedType) New() protoreflect.Message {
	return undecoded{dynamicpb.NewMessage(undecodedDescriptor())}
}
func (undecodedType) Zero() protoreflect.Message                 { return undecodedType{}.New() }
func (undecodedType) Descriptor() protoreflect.MessageDescriptor { return undecodedDescriptor() }

// undecoded is a message whose wire format is the content of its one field, whatever that is.
type undecoded struct{ protoreflect.Message }

func (u undecoded) ProtoReflect() protoreflect.Message   { return u }
func (u undecoded) Interface() protoreflect.ProtoMessage { return u }
func (undecoded) Type() protoreflect.MessageType         { return undecodedType{} }
func (undecoded) New() protoreflect.Message              { return undecodedType{}.New() }
func (undecoded) ProtoMethods() *protoiface.Methods {
	return &protoiface.Methods{
		Unmarshal: func(in protoiface.UnmarshalInput) (protoiface.UnmarshalOutput, error) {
			in.Message.Set(in.Message.Descriptor().Fields().Get(0), protoreflect.ValueOfBytes(append([]byte(nil), in.Buf...)))
			return protoiface.UnmarshalOutput{Flags: protoiface.UnmarshalInitialized}, nil
		},
	}
}
