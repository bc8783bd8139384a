package protoc

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/pandakit/panda/internal/protobuild"
)

// differences are the files on which panda and protoc 3.21 do not agree, each with the reason.
var differences = map[string]string{
	"google/protobuf/bridge/message_set.proto": "uses extension declarations, which came after 3.21; panda knows them",

	"bad_jsonname.proto": "two fields of one message have one JSON name: protoc refuses that since 22, as panda does",
	"literals.proto":     "the default of a float is written with the fewest digits that give it, 3.4028235e+38, not 3.40282347e+38",
	"messageset.proto":   "the value of an option that is a message set, of proto1, is refused: Go has no message sets",
	"rawbytes.proto":     "a text with a byte that is not UTF-8 is refused: it is to be written as an escape",
	"rawtext.proto":      "the same, where protoc makes a default that is not valid in any language",
}

// group is files that are compiled together, by both.
type group struct {
	dir   string
	files []string
}

// verdict is what came of a group.
type verdict struct {
	accepted map[string]*descriptorpb.FileDescriptorProto // nil when refused
	said     string
	compiled *protobuild.Compiled // by panda
}

// counts are what is printed in the end.
type counts struct {
	equal, refused int
	explained      []string
}

// check prints the counts in one line, which the Makefile looks for, and wants every explanation of a kind to be needed.
func (c *counts) check(t *testing.T, what string, ofKind func(name string) bool) {
	t.Helper()
	t.Logf("compared with protoc, %s: %d files give the same descriptors, %d are refused by both, %d differ for a reason that is known",
		what, c.equal, c.refused, len(c.explained))
	for _, name := range slices.Sorted(maps.Keys(differences)) {
		needed := slices.Contains(c.explained, name)
		if needed {
			t.Logf("%s: %s", name, differences[name])
		}
		if ofKind(name) && !needed {
			t.Errorf("%s does not differ any more; take it out of the table", name)
		}
	}
}

func isGoogle(name string) bool { return strings.HasPrefix(name, "google/") }

func TestCorpusOfGoogle(t *testing.T) {
	program := reference(t)
	dir := corpus(t)
	var all counts
	for _, g := range groups(t, dir) {
		compare(t, program, g, &all)
	}
	all.check(t, "files of google-proto-files", isGoogle)
	if all.equal < 7000 {
		t.Errorf("%d files are equal, want more than 7000", all.equal)
	}
}

func TestFilesOfOurOwn(t *testing.T) {
	program := reference(t)
	names, err := filepath.Glob(filepath.Join("testdata", "own", "*.proto"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no files: %v", err)
	}
	var all counts
	for _, name := range names {
		compare(t, program, group{filepath.Join("testdata", "own"), []string{filepath.Base(name)}}, &all)
	}
	all.check(t, "files of our own", func(name string) bool { return !isGoogle(name) })
}

// reference returns the path of protoc, 3.21 being what Debian has.
func reference(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath("protoc")
	if err != nil {
		t.Skip("protoc is not installed (Debian: protobuf-compiler), so nothing is compared")
	}
	version, err := exec.CommandContext(t.Context(), program, "--version").Output()
	if err != nil || !bytes.HasPrefix(version, []byte("libprotoc 3.21.")) {
		t.Skipf("protoc is %q (%v), and 3.21 is what is compared with", bytes.TrimSpace(version), err)
	}
	return program
}

// corpus installs the npm package google-proto-files and returns its folder.
func corpus(t *testing.T) string {
	t.Helper()
	npm, err := exec.LookPath("npm")
	if err != nil {
		t.Skip("npm is not installed, so there is no corpus")
	}
	folder := t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json"} {
		content, err := os.ReadFile(filepath.Join("testdata", "npm", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	install := exec.CommandContext(t.Context(), npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	install.Dir = folder
	if output, err := install.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, output)
	}
	return filepath.Join(folder, "node_modules", "google-proto-files")
}

// groups are all files that belong together, and each test file of protobuf itself, since many of those define the
// same names.
func groups(t *testing.T, dir string) []group {
	t.Helper()
	together := group{dir: dir}
	var single []group
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(name) != ".proto" {
			return err
		}
		relative, err := filepath.Rel(dir, name)
		relative = filepath.ToSlash(relative)
		if strings.HasPrefix(relative, "google/protobuf/") {
			single = append(single, group{dir, []string{relative}})
		} else {
			together.files = append(together.files, relative)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return append([]group{together}, single...)
}

// compare compiles a group twice and compares.
func compare(t *testing.T, program string, g group, all *counts) {
	t.Helper()
	theirs, ours := byProtoc(t, program, g), byPanda(t, g)
	if (theirs.accepted == nil) != (ours.accepted == nil) {
		name := g.files[0]
		if len(g.files) == 1 && differences[name] != "" {
			all.explained = append(all.explained, name)
			return
		}
		t.Errorf("%s and %d more: protoc accepts: %v, panda accepts: %v\nprotoc says: %s\npanda says: %s",
			name, len(g.files)-1, theirs.accepted != nil, ours.accepted != nil, theirs.said, ours.said)
		return
	}
	if ours.accepted == nil {
		all.refused += len(g.files)
		if name := g.files[0]; !isGoogle(name) && !strings.HasPrefix(name, "bad_") {
			t.Errorf("%s is refused by both: %s", name, theirs.said)
		}
		return
	}
	if strings.HasPrefix(g.files[0], "bad_") {
		t.Errorf("%s is accepted by both", g.files[0])
	}
	extensions := extensionsOf(t, ours.compiled.Files)
	for _, name := range g.files {
		a, b := normal(t, theirs.accepted[name], extensions), normal(t, ours.accepted[name], extensions)
		switch {
		case proto.Equal(a, b):
			all.equal++
		case differences[name] != "":
			all.explained = append(all.explained, name)
		default:
			t.Errorf("%s differs:\n%s", name, difference(prototext.Format(a), prototext.Format(b)))
		}
	}
}

// difference shows the lines of two texts that are not in both.
func difference(protoc, panda string) string {
	var b strings.Builder
	ofProtoc, ofPanda := strings.Split(protoc, "\n"), strings.Split(panda, "\n")
	for i := range max(len(ofProtoc), len(ofPanda)) {
		line := func(lines []string) string {
			if i < len(lines) {
				return strings.TrimSpace(lines[i])
			}
			return ""
		}
		if x, y := line(ofProtoc), line(ofPanda); strings.ReplaceAll(x, " ", "") != strings.ReplaceAll(y, " ", "") {
			fmt.Fprintf(&b, "line %d: protoc %s\nline %d: panda  %s\n", i+1, x, i+1, y)
		}
		if b.Len() > 2000 {
			break
		}
	}
	return b.String()
}

func byProtoc(t *testing.T, program string, g group) verdict {
	t.Helper()
	temp := t.TempDir()
	list, out := filepath.Join(temp, "files"), filepath.Join(temp, "set")
	if err := os.WriteFile(list, []byte(strings.Join(g.files, "\n")), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "-I", g.dir, "--include_imports", "--descriptor_set_out="+out, "@"+list)
	if output, err := cmd.CombinedOutput(); err != nil {
		return verdict{said: string(output)}
	}
	content, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	set := &descriptorpb.FileDescriptorSet{}
	if err := (proto.UnmarshalOptions{Resolver: nothing()}).Unmarshal(content, set); err != nil {
		t.Fatal(err)
	}
	return verdict{accepted: byName(set)}
}

func byPanda(t *testing.T, g group) verdict {
	t.Helper()
	dir, err := filepath.Abs(g.dir)
	if err != nil {
		t.Fatal(err)
	}
	files := slices.Sorted(slices.Values(g.files))
	compiled, err := protobuild.Compile(context.WithoutCancel(t.Context()), &protobuild.Source{Dir: dir, Roots: []string{"."}, Files: files})
	if err != nil {
		return verdict{said: err.Error()}
	}
	return verdict{accepted: byName(compiled.DescriptorSet()), compiled: compiled}
}

func byName(set *descriptorpb.FileDescriptorSet) map[string]*descriptorpb.FileDescriptorProto {
	files := map[string]*descriptorpb.FileDescriptorProto{}
	for _, f := range set.GetFile() {
		files[f.GetName()] = f
	}
	return files
}

// nothing knows no extension.
func nothing() *dynamicpb.Types { return dynamicpb.NewTypes(nil) }

// extensionsOf knows those that files and their imports define.
func extensionsOf(t *testing.T, files []protoreflect.FileDescriptor) *dynamicpb.Types {
	t.Helper()
	known := &protoregistry.Files{}
	var add func(fd protoreflect.FileDescriptor)
	add = func(fd protoreflect.FileDescriptor) {
		if imported, ok := fd.(protoreflect.FileImport); ok {
			fd = imported.FileDescriptor
		}
		if _, err := known.FindFileByPath(fd.Path()); err == nil {
			return
		}
		for i := range fd.Imports().Len() {
			add(fd.Imports().Get(i))
		}
		if err := known.RegisterFile(fd); err != nil {
			t.Fatal(err)
		}
	}
	for _, fd := range files {
		add(fd)
	}
	return dynamicpb.NewTypes(known)
}

// normal is a file without source information, its options read with the extensions that they use, since there is
// more than one way to write the same option as bytes.
func normal(t *testing.T, file *descriptorpb.FileDescriptorProto, extensions *dynamicpb.Types) *descriptorpb.FileDescriptorProto {
	t.Helper()
	if file == nil {
		t.Fatal("a file is not in the set")
	}
	file = proto.CloneOf(file)
	file.SourceCodeInfo = nil
	content, err := proto.MarshalOptions{Deterministic: true}.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	again := &descriptorpb.FileDescriptorProto{}
	if err := (proto.UnmarshalOptions{Resolver: extensions}).Unmarshal(content, again); err != nil {
		t.Fatal(err)
	}
	return again
}
