package document_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/pandakit/panda/internal/protobuild"
	"github.com/pandakit/panda/internal/protobuild/document"
)

var update = flag.Bool("update", false, "write the expected documents anew")

func compile(t testing.TB, folder string) []protoreflect.FileDescriptor {
	t.Helper()
	source, err := protobuild.Find(folder, protobuild.Settings{Roots: []string{"."}})
	if err != nil {
		t.Fatal(err)
	}
	compiled, err := protobuild.Compile(t.Context(), source)
	if err != nil {
		t.Fatal(err)
	}
	return compiled.Files
}

// compileText compiles one file of package acme.v1.
func compileText(t *testing.T, body string) []protoreflect.FileDescriptor {
	t.Helper()
	folder := t.TempDir()
	text := "syntax = \"proto3\";\n\npackage acme.v1;\n\nimport \"google/api/annotations.proto\";\n\n" + body
	if err := os.WriteFile(filepath.Join(folder, "a.proto"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return compile(t, folder)
}

// TestExpected compares with the documents in testdata.
func TestExpected(t *testing.T) {
	t.Parallel()
	files := compile(t, "testdata")
	asJSON, err := document.OpenAPI(files, document.Options{Title: "Pets"}, document.JSON)
	if err != nil {
		t.Fatal(err)
	}
	asYAML, err := document.OpenAPI(files, document.Options{Title: "Pets"}, document.YAML)
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string][]byte{
		"pet.md":           document.Markdown(files, document.Options{Title: "Pets"}),
		"pet.openapi.json": asJSON,
		"pet.openapi.yaml": asYAML,
	} {
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, got, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(got, bytes.ReplaceAll(want, []byte("\r\n"), []byte("\n"))) {
			t.Errorf("%s is another (%v): run go test ./internal/protobuild/document -update and look at the difference", path, err)
		}
	}
	var fromJSON, fromYAML any
	if err := json.Unmarshal(asJSON, &fromJSON); err != nil {
		t.Fatal(err)
	}
	converted, err := yaml.YAMLToJSON(asYAML)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(converted, &fromYAML); err != nil {
		t.Fatal(err)
	}
	one, _ := json.Marshal(fromJSON)
	other, _ := json.Marshal(fromYAML)
	if !bytes.Equal(one, other) {
		t.Error("the YAML says something else than the JSON")
	}
}

// TestOrderOfFilesDoesNotMatter wants the same bytes whatever the order in which files come.
func TestOrderOfFilesDoesNotMatter(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for name, pkg := range map[string]string{"a.proto": "b.v1", "b.proto": "a.v1", "c.proto": "b.v1"} {
		text := "syntax = \"proto3\";\npackage " + pkg + ";\nmessage " + strings.ToUpper(name[:1]) + " {}\n"
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files := compile(t, folder)
	page := document.Markdown(files, document.Options{})
	api, err := document.OpenAPI(files, document.Options{}, document.YAML)
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(files)
	reversed, err := document.OpenAPI(files, document.Options{}, document.YAML)
	if err != nil || !bytes.Equal(api, reversed) || !bytes.Equal(page, document.Markdown(files, document.Options{})) {
		t.Errorf("reversed files give another document (%v)", err)
	}
	if !bytes.Contains(api, []byte("title: a.v1, b.v1\n  version: v1\n")) {
		t.Errorf("got %s", api)
	}
}

func TestAnchorsLeadSomewhere(t *testing.T) {
	t.Parallel()
	page := string(document.Markdown(compile(t, "testdata"), document.Options{}))
	for link := range strings.SplitSeq(page, "](#") {
		target, _, found := strings.Cut(link, ")")
		if found && !strings.HasPrefix(link, "# ") && !strings.Contains(page, `<a id="`+target+`"></a>`) {
			t.Errorf("a link leads to #%s, which is nowhere", target)
		}
	}
}

func TestWrongHTTPOptions(t *testing.T) {
	t.Parallel()
	const messages = "message A { string name = 1; B b = 2; }\nmessage B { string id = 1; }\n"
	for _, test := range []struct{ name, rule, want string }{
		{"unknown field", `get: "/v1/{nam}"`, `google.api.http of method Do: path "/v1/{nam}": message acme.v1.A has no field "nam"`},
		{"unknown field within", `get: "/v1/{b.name}"`, `message acme.v1.B has no field "name"`},
		{"into a text", `get: "/v1/{name.x}"`, `"name.x" leads into a field that is no message`},
		{"open brace", `get: "/v1/{name"`, `has a brace that is not closed`},
		{"no slash", `get: "v1/a"`, `path "v1/a" does not begin with a slash`},
		{"unknown body", `post: "/v1/a" body: "c"`, `body: message acme.v1.A has no field "c"`},
		{"unknown answer", `get: "/v1/a" response_body: "c"`, `response_body: message acme.v1.A has no field "c"`},
		{"taken", `get: "/v1/taken"`, `GET /v1/taken is taken by acme.v1.S.Before`},
		{"taken in other words", `get: "/v1/x/{b.id}"`, `GET /v1/x/{name} is taken by acme.v1.S.Too`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			files := compileText(t, messages+`service S {
  rpc Before(A) returns (A) { option (google.api.http) = {get: "/v1/taken"}; }
  rpc Too(A) returns (A) { option (google.api.http) = {get: "/v1/x/{name}"}; }
  rpc Do(A) returns (A) { option (google.api.http) = {`+test.rule+`}; }
}`)
			_, err := document.OpenAPI(files, document.Options{}, document.JSON)
			wrong, ok := errors.AsType[*document.HTTPError](err)
			if !ok || !strings.Contains(err.Error(), test.want) || wrong.Place.String() != "a.proto:12:7" {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

func TestNothing(t *testing.T) {
	t.Parallel()
	files := compileText(t, "")
	api, err := document.OpenAPI(files, document.Options{Version: "3"}, document.JSON)
	want := "{\n  \"openapi\": \"3.1.0\",\n  \"info\": {\n    \"title\": \"acme.v1\",\n    \"version\": \"3\"\n  },\n  \"paths\": {}\n}\n"
	if err != nil || string(api) != want {
		t.Errorf("got %s, %v", api, err)
	}
	if page := string(document.Markdown(nil, document.Options{Title: "None"})); !strings.HasPrefix(page, "# None\n") {
		t.Errorf("got %q", page)
	}
}

// TestTypesOfUnknownFiles documents a descriptor whose imports nobody has.
func TestTypesOfUnknownFiles(t *testing.T) {
	t.Parallel()
	file, err := protodesc.FileOptions{AllowUnresolvable: true}.New(&descriptorpb.FileDescriptorProto{
		Name: proto.String("a.proto"), Syntax: proto.String("proto3"), Dependency: []string{"gone.proto"},
		MessageType: []*descriptorpb.DescriptorProto{{
			Name: proto.String("A"),
			Field: []*descriptorpb.FieldDescriptorProto{{
				Name: proto.String("b"), Number: proto.Int32(1), TypeName: proto.String(".gone.B"),
				Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(), Type: descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum(),
			}},
		}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	files := []protoreflect.FileDescriptor{file}
	api, err := document.OpenAPI(files, document.Options{}, document.YAML)
	if err != nil || !bytes.Contains(api, []byte("gone.B:\n      type: object\n")) {
		t.Errorf("got %s, %v", api, err)
	}
	if page := document.Markdown(files, document.Options{}); !bytes.Contains(page, []byte("| b | 1 | `gone.B` |  |")) {
		t.Errorf("got %s", page)
	}
}
