package breaking_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/pandakit/panda/internal/protobuild"
	"github.com/pandakit/panda/internal/protobuild/breaking"
)

var update = flag.Bool("update", false, "write the page in docs/reference anew")

func compile(t testing.TB, files map[string]string) []protoreflect.FileDescriptor {
	t.Helper()
	folder := t.TempDir()
	for name, text := range files {
		path := filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
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

const head = "syntax = \"proto3\";\npackage acme.v1;\n"

// one is a file a/a.proto.
func one(body string) map[string]string { return map[string]string{"a/a.proto": head + body} }

func compare(t *testing.T, before, now map[string]string, o breaking.Options) []breaking.Finding {
	t.Helper()
	findings, err := breaking.Compare(compile(t, before), compile(t, now), o)
	if err != nil {
		t.Fatal(err)
	}
	return findings
}

func texts(findings []breaking.Finding) []string {
	var list []string
	for _, f := range findings {
		list = append(list, f.Place.String()+": "+f.Message+" ("+f.Rule+")")
	}
	return list
}

func TestPlacesAndReasons(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name        string
		before, now map[string]string
		want        string
	}{
		{"removed", one("message M {\n  int32 a = 1;\n}"), one("message M {\n  reserved 1;\n  reserved \"a\";\n}"),
			"a/a.proto:3:1: field a (1) of message acme.v1.M was removed: code that uses it no longer compiles (FIELD_NO_DELETE)"},
		{"removed, not reserved", one("message M {\n  int32 a = 1;\n}"), one("message M {}"),
			"a/a.proto:3:1: field a (1) of message acme.v1.M was removed: the number is free to be given to another field, which would then be read from old data and old senders (FIELD_NO_DELETE)"},
		{"type", one("message M {\n  int32 a = 1;\n}"), one("message M {\n  string a = 1;\n}"),
			"a/a.proto:4:3: field a (1) of message acme.v1.M was int32 and is string now: the other side's bytes are dropped or read as another value (FIELD_SAME_TYPE)"},
		{"type, alike on the wire", one("message M {\n  int32 a = 1;\n}"), one("message M {\n  int64 a = 1;\n}"),
			"a/a.proto:4:3: field a (1) of message acme.v1.M was int32 and is int64 now: the other side's JSON is refused or read as another value (FIELD_SAME_TYPE)"},
		{"moved", map[string]string{"a/a.proto": head + "message M {}", "b/b.proto": head}, map[string]string{"a/a.proto": head, "b/b.proto": head + "message M {}"},
			`a/a.proto: message M was removed from its file (it is in "b/b.proto" now): code that uses it no longer compiles (MESSAGE_NO_DELETE)`},
		{"file", map[string]string{"a/a.proto": head, "b/b.proto": head}, one(""),
			"b/b.proto: the file was removed: files that import it no longer compile (FILE_NO_DELETE)"},
		{"package", one(""), map[string]string{"a/a.proto": "syntax = \"proto3\";\npackage acme.v2;\n"},
			`a/a.proto:2:1: the package was "acme.v1" and is "acme.v2" now: everything in it has another name: calls of its services end with UNIMPLEMENTED, and code no longer compiles (FILE_SAME_PACKAGE)`},
		{"method", one("message M {}\nservice S {\n  rpc Do(M) returns (M);\n}"), one("message M {}\nservice S {\n  rpc Do(M) returns (stream M);\n}"),
			"a/a.proto:5:3: method acme.v1.S/Do answered with one message and does with a stream now: the server answers in a way that clients do not expect (RPC_SAME_SERVER_STREAMING)"},
		{"option", one(""), one("option go_package = \"example.com/a\";"),
			`a/a.proto:3:1: option go_package was "" and is "example.com/a" now: Go code imports the generated package from elsewhere (FILE_SAME_GO_PACKAGE)`},
		{"reserved", one("message M {\n  reserved 2 to 9;\n}"), one("message M {\n  reserved 2, 5 to 7;\n}"),
			"a/a.proto:3:1: 3 to 4, 8 to 9 is no longer reserved in acme.v1.M: it was reserved because old data has it, and is free to be given to another field now (RESERVED_MESSAGE_NO_DELETE)"},
		{"nothing", one("message M {\n  int32 a = 1;\n}"), one("// M is.\nmessage M {\n  int32 a = 1;\n  int32 b = 2;\n}\nenum E {\n  ZERO = 0;\n}"), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := strings.Join(texts(compare(t, test.before, test.now, breaking.Options{})), "\n"); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

// TestBreaks tells whom a finding breaks beyond those that its rule is about.
func TestBreaks(t *testing.T) {
	t.Parallel()
	for now, want := range map[string][]breaking.Category{
		"reserved 1; reserved \"a\";": {breaking.Source},
		"reserved 1;":                 {breaking.JSON, breaking.Source},
		"reserved \"a\";":             {breaking.Wire, breaking.JSON, breaking.Source},
		"":                            {breaking.Wire, breaking.JSON, breaking.Source},
	} {
		findings := compare(t, one("message M { int32 a = 1; }"), one("message M { "+now+" }"), breaking.Options{})
		if len(findings) != 1 || findings[0].Rule != "FIELD_NO_DELETE" || !slices.Equal(findings[0].Breaks, want) {
			t.Errorf("%q: got %+v, want %v", now, findings, want)
		}
	}
}

func TestCategories(t *testing.T) {
	t.Parallel()
	before := one("message M { int32 a = 1; }\nservice S { rpc Do(M) returns (M); rpc Undo(M) returns (M); }\nservice R {}")
	now := one("message M { int32 b = 1; }\nservice S { rpc Do(M) returns (M); }")
	for category, want := range map[breaking.Category]string{
		breaking.Wire:    "",
		breaking.JSON:    "FIELD_SAME_JSON_NAME FIELD_SAME_NAME",
		breaking.Callers: "FIELD_SAME_JSON_NAME FIELD_SAME_NAME PACKAGE_SERVICE_NO_DELETE RPC_NO_DELETE",
		breaking.Source:  "FIELD_SAME_JSON_NAME FIELD_SAME_NAME RPC_NO_DELETE SERVICE_NO_DELETE",
	} {
		var rules []string
		for _, f := range compare(t, before, now, breaking.Options{Category: category}) {
			rules = append(rules, f.Rule)
		}
		slices.Sort(rules)
		if got := strings.Join(rules, " "); got != want {
			t.Errorf("%s: got %s, want %s", category, got, want)
		}
	}
}

func TestIgnore(t *testing.T) {
	t.Parallel()
	before, now := one("message M { int32 a = 1; }\nmessage N {}"), one("message M { int32 b = 1 [json_name = \"a\"]; }")
	for entry, want := range map[string]int{
		"":                          2,
		"FIELD_SAME_NAME":           1,
		"FIELD_SAME_NAME:a":         1,
		"FIELD_SAME_NAME:a/a.proto": 1,
		"FIELD_SAME_NAME:a/a":       2,
		"FIELD_SAME_NAME:b":         2,
		"a/a.proto":                 0,
		"./a/":                      0,
		".":                         0,
		"aa":                        2,
		"FIELD_SAME_TYPE":           2,
	} {
		o := breaking.Options{}
		if entry != "" {
			o.Ignore = []string{entry}
		}
		if got := compare(t, before, now, o); len(got) != want {
			t.Errorf("%q: got %q, want %d", entry, texts(got), want)
		}
	}
	for _, entry := range []string{"FIELD_SAME_NAM", "FIELD_SAME_NAM:a"} {
		_, err := breaking.Compare(nil, nil, breaking.Options{Ignore: []string{entry}})
		if unknown, ok := errors.AsType[*breaking.UnknownError](err); !ok || unknown.Entry != entry || unknown.Rule != "FIELD_SAME_NAM" {
			t.Errorf("%q: got %v", entry, err)
		}
	}
}

// TestReference wants the page to say what the rules say.
func TestReference(t *testing.T) {
	page := filepath.FromSlash("../../../docs/reference/breaking.md")
	if *update {
		if err := os.WriteFile(page, []byte(breaking.Reference()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	content, err := os.ReadFile(page)
	if err != nil || string(content) != breaking.Reference() {
		t.Errorf("%s is stale (%v): run go test ./internal/protobuild/breaking -update", page, err)
	}
}
