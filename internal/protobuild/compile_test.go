package protobuild_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"

	"github.com/pandakit/panda/internal/protobuild"
)

// compile finds and compiles the files of a folder.
func compile(t *testing.T, dir string) (*protobuild.Compiled, error) {
	t.Helper()
	src, err := protobuild.Find(dir, protobuild.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	return protobuild.Compile(t.Context(), src)
}

// problems compiles a folder that is wrong.
func problems(t *testing.T, dir string) []protobuild.Problem {
	t.Helper()
	_, err := compile(t, dir)
	wrong, ok := errors.AsType[*protobuild.ProblemsError](err)
	if !ok || len(wrong.Problems) == 0 {
		t.Fatalf("got %v, want problems", err)
	}
	return wrong.Problems
}

func TestCompileTheCoursesFiles(t *testing.T) {
	t.Parallel()
	c, err := compile(t, filepath.Join("..", "..", "examples"))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Files) != 2 || len(c.Warnings) != 0 {
		t.Fatalf("%d files, warnings %v", len(c.Files), c.Warnings)
	}
	message := c.Files[0].Messages().ByName("PandaRequest")
	if got := c.Files[0].SourceLocations().ByDescriptor(message).LeadingComments; got != " PandaRequest describes a panda.\n" {
		t.Errorf("comment %q", got)
	}
	if field := message.Fields().ByName("weight"); !field.IsList() || field.Number() != 3 {
		t.Errorf("field %v", field)
	}
	hello := c.Files[1].Services().ByName("HelloService").Methods().ByName("SayHello")
	if hello.FullName() != "myproto.HelloService.SayHello" || hello.Input().FullName() != "myproto.HelloRequest" {
		t.Errorf("method %v", hello)
	}
}

func TestDescriptorSetHasImportsFirst(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{
		"a.proto": importing("b.proto", "google/api/annotations.proto", "buf/validate/validate.proto") + `
			import "google/type/date.proto"; import "google/rpc/status.proto"; import "google/longrunning/operations.proto";
			message A {
			  B b = 1 [(buf.validate.field).required = true];
			  google.type.Date date = 2;
			  google.rpc.Status status = 3;
			  google.longrunning.Operation operation = 4;
			}
			service S { rpc R(A) returns (A) { option (google.api.http) = { get: "/v1/{b.name}" }; } }`,
		"b.proto": empty + `message B { string name = 1; optional int32 n = 2; }`,
	})
	c, err := compile(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	set := c.DescriptorSet()
	seen := map[string]bool{}
	for _, f := range set.GetFile() {
		for _, imported := range f.GetDependency() {
			if !seen[imported] {
				t.Errorf("%s stands before its import %s", f.GetName(), imported)
			}
		}
		if seen[f.GetName()] {
			t.Errorf("%s is there twice", f.GetName())
		}
		seen[f.GetName()] = true
	}
	if _, err := protodesc.NewFiles(set); err != nil || !seen["a.proto"] || !seen["google/protobuf/descriptor.proto"] {
		t.Errorf("files %v, %v", seen, err)
	}
	set.File[0].Name = proto.String("changed")
	if c.DescriptorSet().GetFile()[0].GetName() == "changed" {
		t.Error("the set is not the caller's own")
	}
}

func TestCompileTellsAllProblemsInOrder(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{
		"a.proto":      importing("b.proto") + "message A {\n  Strin name = 1;\n\tint32 n = 1;\n  B b = 3;\n}\n",
		"b.proto":      empty + "message B {\n  int32 = 1;\n  string s 2;\n}\n",
		"c.proto":      importing("comon.proto") + "message C {}\n",
		"d.proto":      empty + "message D {\n  /* 熊猫 */ Nothing x = 1;\n}\n",
		"e.proto":      empty + "message E {\n    Strin a = 1;\n    int32 b = 1;\n}\n",
		"common.proto": empty,
	})
	var got []string
	for _, p := range problems(t, dir) {
		got = append(got, p.String())
	}
	want := []string{
		`a.proto:5:12: message A: fields name and n both have the same tag 1`,
		`b.proto:3:9: syntax error: unexpected '='`,
		`b.proto:4:12: syntax error: expecting ';'`,
		`c.proto:2:8: import "comon.proto" is not found; near: common.proto`,
		`d.proto:3:12: field D.x: unknown type Nothing`,
		`e.proto:3:5: field E.a: unknown type Strin; near: string`,
		`e.proto:4:15: message E: fields a and b both have the same tag 1`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for range 3 {
		again := problems(t, dir)
		for i, p := range again {
			if p.String() != got[i] {
				t.Errorf("the next time it is %q", p)
			}
		}
	}
}

func TestOneProblemEach(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("message M {", 100) + strings.Repeat("}", 100)
	for _, test := range []struct {
		name  string
		files map[string]string
		want  []string
	}{
		{"cycle", map[string]string{"a.proto": importing("b.proto"), "b.proto": importing("c.proto"), "c.proto": importing("a.proto")}, []string{"c.proto:2:8: import cycle: a.proto → b.proto → c.proto → a.proto"}},
		{"imports itself", map[string]string{"a.proto": importing("a.proto")}, []string{"a.proto:2:8: import cycle: a.proto → a.proto"}},
		{"near a standard file", map[string]string{"a.proto": importing("google/api/anotations.proto")}, []string{`a.proto:2:8: import "google/api/anotations.proto" is not found; near: google/api/annotations.proto`}},
		{"wrong folder", map[string]string{"p/a.proto": importing("q/b.proto"), "p/b.proto": empty}, []string{`p/a.proto:2:8: import "q/b.proto" is not found; near: p/b.proto`}},
		{"nothing near", map[string]string{"a.proto": importing("quite/something/else.proto")}, []string{`a.proto:2:8: import "quite/something/else.proto" is not found below .`}},
		{"up", map[string]string{"a.proto": importing("../b.proto")}, []string{`a.proto:2:8: import "../b.proto" leads out of the roots; name the file from the root that has it`}},
		{"up inside", map[string]string{"a.proto": importing("x/../../b.proto")}, []string{`leads out of the roots`}},
		{"absolute", map[string]string{"a.proto": importing("/etc/b.proto")}, []string{`a.proto:2:8: import "/etc/b.proto" is outside of the roots`}},
		{"not clean", map[string]string{"a.proto": importing("./b.proto"), "b.proto": empty}, []string{`import "./b.proto" has another form than "b.proto"`}},
		{"backslash", map[string]string{"a.proto": importing(`x\\b.proto`)}, []string{`names of imports have slashes, not backslashes`}},
		{"no name", map[string]string{"a.proto": importing("")}, []string{`the import names no file`}},
		{"duplicate message", map[string]string{"a.proto": empty + "message M { string s = 1; }", "b.proto": empty + "message M { string s = 1; }"}, []string{`b.proto:2:9: symbol "M" already defined at a.proto:2:9`}},
		{"duplicate in one file", map[string]string{"a.proto": empty + "message M {}\nenum M { A = 0; }"}, []string{`a.proto:3:6: symbol "M" already defined at a.proto:2:9`}},
		{"duplicate below a root", map[string]string{"proto/a.proto": empty + "message M {}", "proto/b.proto": empty + "message M {}"}, []string{`proto/b.proto:2:9: symbol "M" already defined at proto/a.proto:2:9`}},
		{"one file by two names", map[string]string{"x/api/one/a.proto": importing("one/b.proto") + `import "x/api/one/b.proto";`, "x/api/one/b.proto": empty, "c.proto": empty}, []string{`x/api/one/a.proto:3:8: import "x/api/one/b.proto" is the file that is "one/b.proto" to others; name it so here too`}},
		{"nested deeply", map[string]string{"a.proto": empty + deep}, []string{"a.proto:2:715: nested deeper than 64 levels"}},
		{"deep option", map[string]string{"a.proto": empty + "option (x) = " + strings.Repeat("{a:", 1000)}, []string{"nested deeper than 64 levels"}},
		{"NUL", map[string]string{"a.proto": empty + "message \x00M {}"}, []string{"a.proto:2:9: the file holds a NUL character"}},
		{"UTF-16", map[string]string{"a.proto": "\xff\xfes\x00y\x00"}, []string{"NUL character"}},
		{"no UTF-8 in a text", map[string]string{"a.proto": empty + "option java_package = \"\xe9\";"}, []string{"a.proto:2:23: a text that is not UTF-8"}},
		{"huge", map[string]string{"a.proto": empty + strings.Repeat(" ", protobuild.MaxFileSize)}, []string{"a.proto: read it: larger than 8 MiB; split it"}},
		{"edition 2024", map[string]string{"a.proto": `edition = "2024";`}, []string{`a.proto:1:11: edition value "2024" not recognized`}},
		{"jstype of 32 bits", map[string]string{"a.proto": empty + "message M {\n  int32 a = 1 [jstype = JS_STRING];\n}"}, []string{"a.proto:3:16: only 64-bit integer fields (int64, uint64, sint64, fixed64, and sfixed64) can specify a jstype"}},
		{"jstype of a text", map[string]string{"a.proto": empty + "message M {\n  string a = 1 [jstype = JS_NUMBER];\n  string b = 2 [jstype = JS_NORMAL];\n}"}, []string{"a.proto:3:17: only 64-bit integer fields"}},
		{"unclosed", map[string]string{"a.proto": empty + "message M {\n"}, []string{"a.proto:3:1: syntax error: unexpected end of file"}},
		{"unclosed text", map[string]string{"a.proto": empty + "import \"x\n"}, []string{"a.proto:2:8: encountered end-of-line before end of string literal"}},
		{"unclosed comment", map[string]string{"a.proto": empty + "/* "}, []string{"comment never terminates"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			found := problems(t, tree(t, test.files))
			if len(found) != len(test.want) {
				t.Errorf("%d problems, want %d:\n%v", len(found), len(test.want), &protobuild.ProblemsError{Problems: found})
			}
			for i := range min(len(found), len(test.want)) {
				if !strings.Contains(found[i].String(), test.want[i]) {
					t.Errorf("got  %s\nwant %s", found[i], test.want[i])
				}
			}
		})
	}
}

func TestLinksThatLeadOut(t *testing.T) {
	t.Parallel()
	outside := filepath.Join(t.TempDir(), "secret.proto")
	write(t, outside, empty+"message Secret {}")
	dir := tree(t, map[string]string{"a.proto": importing("b.proto"), "in/c.proto": empty})
	if err := errors.Join(
		os.Symlink(outside, filepath.Join(dir, "b.proto")),
		os.Symlink(filepath.Join("in", "c.proto"), filepath.Join(dir, "d.proto")),
	); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	found := problems(t, dir)
	if len(found) != 1 || found[0].File != "b.proto" || !strings.Contains(found[0].Message, "a symbolic link leads out of the folder") {
		t.Errorf("got %v", found)
	}
	_, err := protobuild.Compile(t.Context(), &protobuild.Source{Dir: dir, Roots: []string{"in/../.."}, Files: []string{"a.proto"}})
	if err == nil || !strings.Contains(err.Error(), "leads out of") {
		t.Errorf("a root that leads out: %v", err)
	}
}

func TestAnExcerptHasACaret(t *testing.T) {
	t.Parallel()
	found := problems(t, tree(t, map[string]string{"a.proto": empty + "message M {\n\t/* 熊猫 */ Nope x = 1; // \x1b[31m\r\n}\n"}))
	want := "a.proto:3:11: field M.x: unknown type Nope\n  \t/* 熊猫 */ Nope x = 1; //  [31m\n  \t         ^"
	if got := (&protobuild.ProblemsError{Problems: found}).Error(); got != want {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
	long := protobuild.Problem{Column: 501, Text: strings.Repeat("a", 500) + "!" + strings.Repeat("b", 500)}
	line, caret, _ := strings.Cut(long.Excerpt(), "\n")
	if len(line) > 200 || line[strings.IndexByte(caret, '^')] != '!' {
		t.Errorf("a long line is shown as\n%s\n%s", line, caret)
	}
	if got := (protobuild.Problem{File: "x", Message: "m", Text: "t"}).Excerpt(); got != "" {
		t.Errorf("the whole file has the excerpt %q", got)
	}
	many := &protobuild.ProblemsError{Problems: slices.Repeat([]protobuild.Problem{{File: "x", Message: "m"}}, 150)}
	if got := many.Error(); !strings.HasSuffix(got, "\nand 50 more problems") {
		t.Errorf("many problems end with %q", got[len(got)-40:])
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	c, err := compile(t, tree(t, map[string]string{"a.proto": importing("b.proto"), "b.proto": "message B {}"}))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Warnings) != 1 || c.Warnings[0].String() != `a.proto:2:1: import "b.proto" not used` {
		t.Errorf("warnings %v", c.Warnings)
	}
}

func TestAFileOfOnesOwnStandsForAStandardOne(t *testing.T) {
	t.Parallel()
	c, err := compile(t, tree(t, map[string]string{
		"google/type/date.proto": "syntax = \"proto3\"; package google.type; message Date { string own = 1; }",
		"a.proto":                importing("google/type/date.proto") + "message A { google.type.Date d = 1; }",
	}))
	if err != nil {
		t.Fatal(err)
	}
	if c.Files[0].Messages().Get(0).Fields().Get(0).Message().Fields().ByName("own") == nil {
		t.Error("the file of the folder is not the one that is used")
	}
}

func TestEdition2023(t *testing.T) {
	t.Parallel()
	c, err := compile(t, tree(t, map[string]string{"a.proto": `edition = "2023";
		import "google/protobuf/go_features.proto";
		option features.(pb.go).api_level = API_OPAQUE;
		message M { string a = 1 [features.field_presence = IMPLICIT]; M m = 2 [features.message_encoding = DELIMITED]; }`}))
	if err != nil {
		t.Fatal(err)
	}
	m := c.Files[0].Messages().Get(0)
	if m.Fields().Get(0).HasPresence() || m.Fields().Get(1).Kind().String() != "group" {
		t.Errorf("features are not read")
	}
}

func TestManyFiles(t *testing.T) {
	t.Parallel()
	files := map[string]string{}
	for i := range 300 {
		files[fmt.Sprintf("f%d.proto", i)] = importing(fmt.Sprintf("f%d.proto", i+1)) + fmt.Sprintf("message M%d { M%d next = 1; }", i, i+1)
	}
	files["f300.proto"] = empty + "message M300 {}"
	c, err := compile(t, tree(t, files))
	if err != nil || len(c.Files) != 301 || len(c.DescriptorSet().GetFile()) != 301 {
		t.Errorf("%v", err)
	}
}

func TestInterruptedCompile(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"a.proto": empty})
	src, err := protobuild.Find(dir, protobuild.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := protobuild.Compile(ctx, src); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := protobuild.Compile(t.Context(), &protobuild.Source{Dir: filepath.Join(dir, "gone"), Files: []string{"a.proto"}}); err == nil || !strings.HasPrefix(err.Error(), "open ") {
		t.Errorf("a folder that is gone: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, "a.proto")); err != nil {
		t.Fatal(err)
	}
	if _, err := protobuild.Compile(t.Context(), src); err == nil || !strings.Contains(err.Error(), "a.proto: read it: ") {
		t.Errorf("a file that is gone: %v", err)
	}
}

// FuzzCompile compiles what strangers wrote, beside a file that is right: whatever it is, there is an answer, its
// problems have places within the files, and what compiles can be described.
func FuzzCompile(f *testing.F) {
	for _, seed := range []string{
		empty + "message M { string a = 1; oneof o { M m = 2; } map<string, M> k = 3; }",
		"syntax = \"proto2\"; import \"right.proto\"; message M { extensions 5; optional group G = 1 { } } extend M { optional Right r = 5; }",
		"edition = \"2023\"; option features.field_presence = IMPLICIT; enum E { A = 0; }",
		"import \"google/protobuf/descriptor.proto\"; extend google.protobuf.FieldOptions { optional string x = 5000; } message M { optional int32 a = 1 [(x) = \"y\", default = 0x1F]; }",
		"service S { rpc R(stream M) returns (M) { option idempotency_level = IDEMPOTENT; } } message M { reserved 1 to max; }",
		"option (a).b = { c: [1, -2.5e9, inf] d < e: 'x' > };", "import \"fuzz.proto\";", "\"\\", "/*", "message M { message M { message M {", "syntax = 'proto3'; ;;; package a.b;",
	} {
		f.Add(seed)
	}
	dir := f.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "right.proto"), []byte(empty+"message Right {}"), 0o644); err != nil {
		f.Fatal(err)
	}
	src := &protobuild.Source{Dir: dir, Roots: []string{"."}, Files: []string{"fuzz.proto", "right.proto"}}
	f.Fuzz(func(t *testing.T, text string) {
		if err := os.WriteFile(filepath.Join(dir, "fuzz.proto"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		c, err := protobuild.Compile(t.Context(), src)
		if err == nil {
			if len(c.Files) != 2 || len(c.DescriptorSet().GetFile()) < 2 {
				t.Errorf("%q: %d files", text, len(c.Files))
			}
			return
		}
		wrong, ok := errors.AsType[*protobuild.ProblemsError](err)
		if !ok {
			t.Fatalf("%q: %v", text, err)
		}
		for _, p := range wrong.Problems {
			if p.Message == "" || strings.Contains(p.Message, "stumbles") || p.Line < 1 || p.Column < 1 || p.Line > strings.Count(text, "\n")+2 {
				t.Errorf("%q: %+v", text, p)
			}
		}
	})
}
