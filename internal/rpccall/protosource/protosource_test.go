package protosource_test

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/pandakit/panda/internal/rpccall/protosource"

	_ "google.golang.org/genproto/googleapis/rpc/errdetails"
	_ "google.golang.org/grpc/reflection/grpc_reflection_v1"
	_ "google.golang.org/protobuf/types/known/anypb"
	_ "google.golang.org/protobuf/types/known/apipb"
	_ "google.golang.org/protobuf/types/known/durationpb"
	_ "google.golang.org/protobuf/types/known/fieldmaskpb"
	_ "google.golang.org/protobuf/types/known/structpb"
	_ "google.golang.org/protobuf/types/known/timestamppb"
	_ "google.golang.org/protobuf/types/known/wrapperspb"
)

var update = flag.Bool("update", false, "compile testdata/tricky.proto anew, with protoc")

const (
	source   = "testdata/tricky.proto"
	compiled = "testdata/tricky.binpb"
)

// protoc compiles a file of a folder into descriptors with comments, its imports before it.
func protoc(t *testing.T, folder, file string) *descriptorpb.FileDescriptorSet {
	t.Helper()
	program, err := exec.LookPath("protoc")
	if err != nil {
		t.Skip("protoc is not on PATH; CI has it")
	}
	out := filepath.Join(t.TempDir(), "set")
	message, err := exec.CommandContext(t.Context(), program, "-I", folder, "--include_source_info", "--include_imports",
		"--descriptor_set_out="+out, filepath.Join(folder, filepath.FromSlash(file))).CombinedOutput()
	if err != nil {
		t.Fatalf("protoc %s: %v\n%s", file, err, message)
	}
	raw, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, raw)
}

func parse(t *testing.T, raw []byte) *descriptorpb.FileDescriptorSet {
	t.Helper()
	set := new(descriptorpb.FileDescriptorSet)
	if err := proto.Unmarshal(raw, set); err != nil {
		t.Fatal(err)
	}
	return set
}

// files makes descriptors of a set, and returns the last, which imports the others, and the types of all.
func files(t *testing.T, set *descriptorpb.FileDescriptorSet) (protoreflect.FileDescriptor, *dynamicpb.Types) {
	t.Helper()
	all, err := protodesc.NewFiles(set)
	if err != nil {
		t.Fatal(err)
	}
	last, err := all.FindFileByPath(set.GetFile()[len(set.GetFile())-1].GetName())
	if err != nil {
		t.Fatal(err)
	}
	return last, dynamicpb.NewTypes(all)
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// The descriptors of a file that has everything, and its comments, are written as that very file.
func TestFileIsWrittenAsItWas(t *testing.T) {
	if *update {
		set := protoc(t, "testdata", "tricky.proto")
		for _, imported := range set.GetFile()[:len(set.GetFile())-1] {
			imported.SourceCodeInfo = nil // large, and not looked at
		}
		raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(set)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(compiled, raw, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	file, types := files(t, parse(t, read(t, compiled)))
	if got := protosource.File(file, types); got != string(read(t, source)) {
		t.Errorf("it was written as\n%s", got)
	}
}

// What is in testdata is what protoc makes of it.
func TestCompiledFileIsFresh(t *testing.T) {
	set, want := protoc(t, "testdata", "tricky.proto").GetFile(), parse(t, read(t, compiled)).GetFile()
	if !proto.Equal(set[len(set)-1], want[len(want)-1]) {
		t.Error("testdata/tricky.binpb is stale; run this test with -update")
	}
}

// A compiler makes the same descriptors of what is written for each file that this test links.
func TestACompilerAgrees(t *testing.T) {
	folder, count := t.TempDir(), 0
	var names []string
	protoregistry.GlobalFiles.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		if file.Syntax() == protoreflect.Editions {
			return true // the compiler that judges may be older
		}
		name := filepath.Join(folder, filepath.FromSlash(file.Path()))
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(protosource.File(file, protoregistry.GlobalTypes)), 0o600); err != nil {
			t.Fatal(err)
		}
		names = append(names, file.Path())
		return true
	})
	for _, name := range names {
		set := protoc(t, folder, name).GetFile()
		got := set[len(set)-1]
		got.SourceCodeInfo = nil
		file, err := protoregistry.GlobalFiles.FindFileByPath(name)
		if err != nil {
			t.Fatal(err)
		}
		want := protodesc.ToFileDescriptorProto(file)
		for _, d := range []*descriptorpb.FileDescriptorProto{got, want} {
			normalize(t, d)
		}
		if !proto.Equal(got, want) {
			t.Errorf("%s:\n%s\nbecame\n%s\nwant\n%s", name, protosource.File(file, protoregistry.GlobalTypes), prototext.Format(got), prototext.Format(want))
		}
		count++
	}
	if count < 10 {
		t.Errorf("only %d files were compared", count)
	}
}

// normalize leaves out what says the same in two ways.
func normalize(t *testing.T, file *descriptorpb.FileDescriptorProto) {
	t.Helper()
	if file.GetSyntax() == "proto2" {
		file.Syntax = nil
	}
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	proto.Reset(file)
	if err := proto.Unmarshal(raw, file); err != nil {
		t.Fatal(err)
	}
}
