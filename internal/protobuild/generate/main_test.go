package generate_test

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"

	"github.com/pandakit/panda/internal/protobuild"
)

// TestMain is also the plugins of the tests: a copy of this program that is called protoc-gen-NAME does what NAME says.
func TestMain(m *testing.M) {
	base := strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe")
	if name, ok := strings.CutPrefix(base, "protoc-gen-"); ok {
		os.Exit(plugin(name))
	}
	goleak.VerifyTestMain(m)
}

func plugin(name string) int {
	input, err := io.ReadAll(os.Stdin)
	request := &pluginpb.CodeGeneratorRequest{}
	if err != nil || proto.Unmarshal(input, request) != nil {
		return 9
	}
	all := uint64(pluginpb.CodeGeneratorResponse_FEATURE_PROTO3_OPTIONAL | pluginpb.CodeGeneratorResponse_FEATURE_SUPPORTS_EDITIONS)
	answer := &pluginpb.CodeGeneratorResponse{
		SupportedFeatures: &all,
		MinimumEdition:    proto.Int32(int32(descriptorpb.Edition_EDITION_PROTO2)), MaximumEdition: proto.Int32(int32(descriptorpb.Edition_EDITION_2023)),
	}
	add := func(name, content string) {
		answer.File = append(answer.File, &pluginpb.CodeGeneratorResponse_File{Name: proto.String(name), Content: proto.String(content)})
	}
	switch name {
	case "echo", "echo2", "go-echo": // one file for each, and all that was asked in another
		for _, file := range request.GetFileToGenerate() {
			add(strings.TrimSuffix(file, ".proto")+"."+name, file+"\n")
		}
		var files []string
		for _, f := range request.GetProtoFile() {
			files = append(files, f.GetName())
		}
		add("all."+name, request.GetParameter()+"\n"+strings.Join(files, "\n")+"\n")
	case "env":
		add("env", os.Getenv("GREETING"))
	case "hang":
		fmt.Fprintln(os.Stderr, "thinking")
		<-time.NewTimer(time.Hour).C
	case "crash":
		fmt.Fprintln(os.Stderr, "out of\ncheese \x1b[31m")
		return 3
	case "panic":
		panic("no way")
	case "junk":
		fmt.Print("usage: protoc-gen-junk FILE")
		return 0
	case "error":
		answer.Error = proto.String("a.proto: I do not like it\n")
	case "outside":
		add("../outside.txt", "")
	case "absolute":
		add("/outside.txt", "")
	case "twice":
		add("one.txt", "")
		add("one.txt", "")
	case "old":
		answer.SupportedFeatures = nil
	case "nameless":
		answer.File = append(answer.File, &pluginpb.CodeGeneratorResponse_File{Content: proto.String("x")})
	case "parts":
		add("parts.txt", "one\n  // @@protoc_insertion_point(here)\n")
		answer.File = append(answer.File, &pluginpb.CodeGeneratorResponse_File{Content: proto.String("two\n")},
			&pluginpb.CodeGeneratorResponse_File{Name: proto.String("parts.txt"), InsertionPoint: proto.String("here"), Content: proto.String("a\nb\n")})
	case "insert":
		answer.File = append(answer.File, &pluginpb.CodeGeneratorResponse_File{
			Name: proto.String("parts.txt"), InsertionPoint: proto.String(cmp.Or(os.Getenv("POINT"), "here")), Content: proto.String("c\n"),
		})
	}
	output, err := proto.Marshal(answer)
	if err != nil {
		return 9
	}
	_, _ = os.Stdout.Write(output)
	return 0
}

// plugins puts plugins of these names into a new folder and returns it.
func plugins(t *testing.T, names ...string) string {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range names {
		if err := os.Symlink(program, filepath.Join(dir, "protoc-gen-"+name)); err != nil {
			t.Skip("no symbolic links here:", err)
		}
	}
	return dir
}

// compiled writes files into a new folder and compiles those that are .proto files.
func compiled(t *testing.T, files map[string]string) *protobuild.Compiled {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		write(t, filepath.Join(dir, filepath.FromSlash(name)), content)
	}
	src, err := protobuild.Find(dir, protobuild.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := protobuild.Compile(t.Context(), src)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
