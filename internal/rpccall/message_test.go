package rpccall

import (
	"context"
	"errors"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/pandakit/panda/internal/rpccall/internal/testpb"
)

// nobody is a connection to no server.
type nobody struct{}

func (nobody) Invoke(context.Context, string, any, any, ...grpc.CallOption) error {
	return status.Error(codes.Unavailable, "nobody there")
}

func (nobody) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, status.Error(codes.Unavailable, "nobody there")
}

// FuzzDecode turns any JSON into a message: it never panics, tells what is wrong at a place that the
// text has, and what it takes survives being shown as JSON and read again.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		everything, `{}`, `null`, `[]`, `{"nested":{"inner":{"stret":""}}}`, "{\n\"aBool\":\n1}", `{"byNumber":{"x":{}}}`,
		`{"any":{"@type":"type.googleapis.com/google.protobuf.Any","value":{"@type":"a/b"}}}`, `{"at":"0000"}`, `{"free":{"a":[[[[]]]]}}`,
		`{"anInt32":1e99}`, `{"aString":"\ud800"}`, "{\"aString\":\"\xff\"}", `{"children":[null]}`, `{"":1}`, `{"[a.b]":1}`,
	} {
		f.Add(uint8(0), seed)
	}
	f.Add(uint8(1), `{"@type":"type.googleapis.com/google.protobuf.Duration","value":"1s"}`)
	f.Add(uint8(2), `{"a":[1,null,{"b":"\u0000"}]}`)
	f.Add(uint8(3), `{"options":{"uninterpretedOption":[{"name":[{"namePart":"a"}],"doubleValue":"NaN"}],"optimizeFor":"SPED"}}`)
	f.Add(uint8(4), `"a.b,c"`)
	types := []proto.Message{&testpb.Everything{}, &anypb.Any{}, &structpb.Struct{}, &descriptorpb.FileDescriptorProto{}, &fieldmaskpb.FieldMask{}}
	f.Fuzz(func(t *testing.T, which uint8, text string) {
		md := types[int(which)%len(types)].ProtoReflect().Descriptor()
		s := newSchema(nobody{})
		in := NewInput(strings.NewReader(text), 1<<20)
		v, err := in.next()
		if err != nil {
			return
		}
		message, err := s.decode(t.Context(), v, md)
		if err != nil {
			checkPlace(t, text, err)
			return
		}
		line, err := s.encode(t.Context(), message.ProtoReflect())
		if err != nil {
			t.Fatalf("%q was taken, and cannot be shown: %v", text, err)
		}
		again, err := s.decode(t.Context(), value{raw: line, at: position{1, 1}}, md)
		if err != nil {
			t.Fatalf("%q was shown as %s, which is not taken: %v", text, line, err)
		}
		if !proto.Equal(message, again) && !strings.Contains(string(line), "NaN") {
			t.Fatalf("%q became %s", text, line)
		}
	})
}

func checkPlace(t *testing.T, text string, err error) {
	t.Helper()
	var wrong *InputError
	if !errors.As(err, &wrong) {
		t.Fatalf("%q: not an InputError: %v", text, err)
	}
	lines := strings.Split(text, "\n")
	if wrong.Line < 1 || wrong.Line > len(lines) || wrong.Column < 1 || wrong.Column > len(lines[wrong.Line-1])+1 {
		t.Fatalf("%q has no %d:%d: %v", text, wrong.Line, wrong.Column, err)
	}
}

func TestDecodeBoundsDepth(t *testing.T) {
	md := (&testpb.Everything{}).ProtoReflect().Descriptor()
	deep := strings.Repeat(`{"inner":`, 5000) + "{}" + strings.Repeat("}", 5000)
	_, err := newSchema(nobody{}).decode(t.Context(), value{raw: []byte(`{"nested":` + deep + `}`), at: position{1, 1}}, md)
	if err == nil || !strings.Contains(err.Error(), "recursion depth") {
		t.Errorf("got %v", err)
	}
}
