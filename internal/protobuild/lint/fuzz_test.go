package lint_test

import (
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/pandakit/panda/internal/protobuild/lint"
)

// FuzzDescriptors hands over descriptors that no compiler has checked, as a server or a file may have them.
func FuzzDescriptors(f *testing.F) {
	known := compile(f, "message M { int32 a = 1; map<string, E> m = 2; }\nenum E { ZERO = 0; }\nservice S { rpc Do(M) returns (M); }")

	for _, file := range known {
		raw, err := proto.Marshal(protodesc.ToFileDescriptorProto(file))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		parsed := new(descriptorpb.FileDescriptorProto)
		if proto.Unmarshal(raw, parsed) != nil {
			return
		}
		file, err := protodesc.FileOptions{AllowUnresolvable: true}.New(parsed, nil)
		if err != nil {
			return
		}
		files := []protoreflect.FileDescriptor{file}
		if _, err := lint.Check(files, everything); err != nil {
			t.Error(err)
		}
	})
}
