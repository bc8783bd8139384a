package lint_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/pandakit/panda/internal/protobuild"
	"github.com/pandakit/panda/internal/protobuild/lint"
)

var update = flag.Bool("update", false, "write the page in docs/reference anew")

// compile compiles the files that an example has: one that begins after the package, one, or several.
func compile(t testing.TB, text string) []protoreflect.FileDescriptor {
	t.Helper()
	if !strings.HasPrefix(text, "-- ") {
		text = "-- acme/v1/acme.proto --\nsyntax = \"proto3\";\n\npackage acme.v1;\n\n" + text
	}
	folder := t.TempDir()
	for part := range strings.SplitSeq("\n"+text, "\n-- ") {
		name, content, found := strings.Cut(part, " --\n")
		if !found {
			continue
		}
		file := filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	source, err := protobuild.Find(folder, protobuild.Settings{Roots: []string{"."}})
	if err != nil {
		t.Fatal(err)
	}
	compiled, err := protobuild.Compile(t.Context(), source)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return compiled.Files
}

// everything is on.
var everything = lint.Options{Enable: []string{"documentation", "unary", "strict"}}

func check(t *testing.T, text string, o lint.Options) []string {
	t.Helper()
	findings, err := lint.Check(compile(t, text), o)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, f := range findings {
		list = append(list, f.Place.String()+": "+f.Message+" ("+f.Rule+")")
	}
	return list
}

func fires(list []string, rule string) bool {
	return slices.ContainsFunc(list, func(l string) bool { return strings.HasSuffix(l, "("+rule+")") })
}

// TestExamples has every rule judge its own two examples.
func TestExamples(t *testing.T) {
	t.Parallel()
	for _, r := range lint.Rules() {
		t.Run(r.ID, func(t *testing.T) {
			t.Parallel()
			if bad := check(t, r.Bad, everything); !fires(bad, r.ID) {
				t.Errorf("the bad example is fine; found %q in\n%s", bad, r.Bad)
			}
			if good := check(t, r.Good, everything); fires(good, r.ID) {
				t.Errorf("the good example is bad: %q in\n%s", good, r.Good)
			}
			off := lint.Options{Enable: everything.Enable, Disable: []string{r.ID}}
			if bad := check(t, r.Bad, off); fires(bad, r.ID) {
				t.Errorf("it is switched off and found %q", bad)
			}
			if r.Text == "" || !strings.HasSuffix(r.Text, ".") || r.Category.About() == "" {
				t.Errorf("the rule is not documented: %q", r.Text)
			}
		})
	}
}

func TestReferenceIsUpToDate(t *testing.T) {
	page := filepath.FromSlash("../../../docs/reference/lint.md")
	if *update {
		if err := os.WriteFile(page, []byte(lint.Reference()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	content, err := os.ReadFile(page)
	if err != nil || string(content) != lint.Reference() {
		t.Errorf("%s is stale (%v): run go test ./internal/protobuild/lint -update", page, err)
	}
}

func TestFindingsHaveTheirPlace(t *testing.T) {
	t.Parallel()
	got := check(t, `-- acme/v1/pet.proto --
syntax = "proto3";

package acme.v1;

import "google/protobuf/empty.proto";

// Pet is a pet.
message Pet {
  string petName = 1;
  enum kind {
    UNKNOWN = 0;
  }
}

service Pets {
  // GetPet returns a pet.
  rpc GetPet(Pet) returns (Pet);
}
`, lint.Options{})
	want := []string{
		"acme/v1/pet.proto:5:1: nothing of google/protobuf/empty.proto is used; remove the import (IMPORT_USED)",
		"acme/v1/pet.proto:9:10: field petName is to be called in lower_snake_case: pet_name (FIELD_LOWER_SNAKE_CASE)",
		"acme/v1/pet.proto:10:8: enum kind is to be called in PascalCase: Kind (ENUM_PASCAL_CASE)",
		"acme/v1/pet.proto:11:5: enum value UNKNOWN is to begin with the name of its enum: KIND_UNKNOWN (ENUM_VALUE_PREFIX)",
		"acme/v1/pet.proto:11:5: enum value UNKNOWN is 0, what unset fields have, and is to end in _UNSPECIFIED: KIND_UNSPECIFIED (ENUM_ZERO_VALUE_SUFFIX)",
		"acme/v1/pet.proto:15:9: service Pets has no comment that says what it is for (COMMENT_SERVICE)",
		"acme/v1/pet.proto:15:9: service Pets is to end in Service: PetsService (SERVICE_SUFFIX)",
		"acme/v1/pet.proto:17:14: method GetPet takes Pet; call the message GetPetRequest (RPC_REQUEST_STANDARD_NAME)",
		"acme/v1/pet.proto:17:28: method GetPet answers with what it takes, Pet; give it messages of its own (RPC_REQUEST_RESPONSE_UNIQUE)",
		"acme/v1/pet.proto:17:28: method GetPet answers with Pet; call the message GetPetResponse (RPC_RESPONSE_STANDARD_NAME)",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestIgnores(t *testing.T) {
	t.Parallel()
	const head = "syntax = \"proto3\";\n\npackage acme.v1;\n\n"
	for _, test := range []struct{ name, text, want string }{
		{"at the element", "// panda:lint-ignore MESSAGE_PASCAL_CASE old\n// It is.\nmessage a {}", ""},
		{"behind the element", "// A.\nmessage A {\n  string Bee = 1; // panda:lint-ignore FIELD_LOWER_SNAKE_CASE old\n}", ""},
		{"around the element", "// panda:lint-ignore FIELD_LOWER_SNAKE_CASE old\n// A.\nmessage A {\n  // B.\n  message B {\n    string Bee = 1;\n  }\n}", ""},
		{"in a comment of its own", "// panda:lint-ignore MESSAGE_PASCAL_CASE old\n\n// It is.\nmessage a {}", ""},
		{"at the syntax", "-- acme/v1/a.proto --\n// panda:lint-ignore MESSAGE_PASCAL_CASE old\n" + head + "// It is.\nmessage a {}", ""},
		{"at the package", "-- acme/v1/a.proto --\nsyntax = \"proto3\";\n\n// panda:lint-ignore PACKAGE_VERSION_SUFFIX old\npackage acme.v1;\n", "acme/v1/a.proto:4:1: panda:lint-ignore PACKAGE_VERSION_SUFFIX is not needed; remove it (IGNORE_VALID)"},
		{"at an import", "-- acme/v1/a.proto --\n" + head + "// panda:lint-ignore IMPORT_USED soon\nimport \"google/protobuf/any.proto\";\n", ""},
		{"of another rule", "// panda:lint-ignore MESSAGE_PASCAL old\n// It is.\nmessage A {}", "acme/v1/acme.proto:7:1: panda:lint-ignore names MESSAGE_PASCAL, and there is no such rule; near: MESSAGE_PASCAL_CASE (IGNORE_VALID)"},
		{"without a reason", "// panda:lint-ignore MESSAGE_PASCAL_CASE\n// It is.\nmessage a {}", "acme/v1/acme.proto:7:1: panda:lint-ignore MESSAGE_PASCAL_CASE does not say why (IGNORE_VALID)"},
		{"without a rule", "// panda:lint-ignore\n// It is.\nmessage A {}", "acme/v1/acme.proto:7:1: panda:lint-ignore names no rule; write panda:lint-ignore RULE and why (IGNORE_VALID)"},
		{"of a rule that is off", "// panda:lint-ignore COMMENT_FIELD old\n// It is.\nmessage A {}", ""},
		{"of another word", "// panda:lint-ignored it is.\nmessage A {}", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			text := test.text
			if got := strings.Join(check(t, text, lint.Options{}), "\n"); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

func TestSwitches(t *testing.T) {
	t.Parallel()
	files := compile(t, "message a {}")
	for _, test := range []struct {
		options lint.Options
		want    int
	}{
		{lint.Options{}, 2},
		{lint.Options{Disable: []string{"comments"}}, 1},
		{lint.Options{Disable: []string{"comments", "MESSAGE_PASCAL_CASE"}}, 0},
		{lint.Options{Enable: []string{"comments"}, Disable: []string{"COMMENT_MESSAGE"}}, 1},
	} {
		if got, err := lint.Check(files, test.options); err != nil || len(got) != test.want {
			t.Errorf("%+v: got %v, %v, want %d", test.options, got, err, test.want)
		}
	}
	_, err := lint.Check(files, lint.Options{Disable: []string{"MESSAGE_PASCAL"}})
	unknown, ok := errors.AsType[*lint.UnknownError](err)
	if !ok || !slices.Equal(unknown.Near, []string{"MESSAGE_PASCAL_CASE"}) {
		t.Errorf("got %v", err)
	}
}

// TestImportsOfOptions wants imports that are used by options alone to count as used.
func TestImportsOfOptions(t *testing.T) {
	t.Parallel()
	got := check(t, `-- acme/v1/a.proto --
syntax = "proto3";

package acme.v1;

import "acme/v1/options.proto";
import "google/api/annotations.proto";
import "google/protobuf/any.proto";

// A is.
message A {
  option (level) = 3;
}

// AService is.
service AService {
  // Get gets.
  rpc Get(GetRequest) returns (GetResponse) {
    option (google.api.http) = {get: "/a"};
  }
}

message GetRequest {}
message GetResponse {
  repeated google.protobuf.Any details = 1;
}
-- acme/v1/options.proto --
syntax = "proto3";

package acme.v1;

import "google/protobuf/descriptor.proto";

extend google.protobuf.MessageOptions {
  int32 level = 50000;
}
`, lint.Options{})
	if len(got) > 0 {
		t.Errorf("found %q", got)
	}
}

// TestDescriptorsOfOthers judges descriptors that no compiler made: without locations, and with numbers that a
// compiler refuses.
func TestDescriptorsOfOthers(t *testing.T) {
	t.Parallel()
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("acme/v1/a.proto"), Package: proto.String("acme.v1"), Syntax: proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{{
			Name: proto.String("a"),
			Field: []*descriptorpb.FieldDescriptorProto{{
				Name: proto.String("b"), Number: proto.Int32(19001),
				Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(), Type: descriptorpb.FieldDescriptorProto_TYPE_INT32.Enum(),
			}},
		}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	findings, err := lint.Check([]protoreflect.FileDescriptor{file}, lint.Options{Disable: []string{"comments"}})
	if err != nil || len(findings) != 2 || findings[0].Rule != "FIELD_NUMBER_NOT_INTERNAL" || findings[1].Place.String() != "acme/v1/a.proto" {
		t.Errorf("got %v, %v", findings, err)
	}
}
