package document_test

import (
	"errors"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/pandakit/panda/internal/protobuild/document"
)

// FuzzDescriptors hands over descriptors that no compiler has checked, as a server or a file may have them.
func FuzzDescriptors(f *testing.F) {
	known := compile(f, "testdata")

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
		document.Markdown(files, document.Options{})
		if _, err := document.OpenAPI(files, document.Options{}, document.JSON); err != nil {
			if _, wrong := errors.AsType[*document.HTTPError](err); !wrong {
				t.Error(err)
			}
		}
	})
}
