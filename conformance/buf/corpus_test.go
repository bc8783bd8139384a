package buf_test

import (
	"fmt"
	"strings"
)

// pair is one change: the files before and after it, by name.
type pair struct {
	name        string
	before, now map[string]string
}

// corpus collects pairs. In a file's text, "$P" stands for the package of the pair, so that all pairs can lie in
// one folder and be judged at once.
type corpus struct{ pairs []pair }

func (c *corpus) add(name string, before, now map[string]string) {
	c.pairs = append(c.pairs, pair{name, before, now})
}

// file adds a pair of one file.
func (c *corpus) file(name, before, now string) {
	c.add(name, map[string]string{"a.proto": before}, map[string]string{"a.proto": now})
}

const (
	proto2  = "syntax = \"proto2\";\npackage $P;\n"
	proto3  = "syntax = \"proto3\";\npackage $P;\n"
	edition = "edition = \"2023\";\npackage $P;\n"
)

// syntaxes are the forms of a file; every change that all of them can have is made in each.
var syntaxes = []struct{ name, head, label string }{
	{"proto2", proto2, "optional "},
	{"proto3", proto3, ""},
	{"edition", edition, ""},
}

// body adds a pair whose files differ in what follows their head, in each syntax. "$L" is what a field with one
// value begins with.
func (c *corpus) body(name, before, now string) {
	for _, s := range syntaxes {
		c.file(s.name+": "+name, s.head+strings.ReplaceAll(before, "$L", s.label), s.head+strings.ReplaceAll(now, "$L", s.label))
	}
}

// each adds a pair for every two of the alternatives, in both directions, which replace "%" in the text.
func (c *corpus) each(name, text string, alternatives map[string]string) {
	for a, before := range alternatives {
		for b, now := range alternatives {
			if a != b {
				c.file(fmt.Sprintf("%s: %s to %s", name, a, b), strings.ReplaceAll(text, "%", before), strings.ReplaceAll(text, "%", now))
			}
		}
	}
}

// eachBody is each in every syntax.
func (c *corpus) eachBody(name, text string, alternatives map[string]string) {
	for _, s := range syntaxes {
		c.each(s.name+": "+name, s.head+strings.ReplaceAll(text, "$L", s.label), alternatives)
	}
}

func makeCorpus() []pair {
	c := &corpus{}
	c.types()
	c.cardinalities()
	c.numbersAndNames()
	c.removals()
	c.enums()
	c.elements()
	c.services()
	c.files()
	c.reserved()
	c.options()
	c.oneofs()
	c.extensions()
	c.harmless()
	return c.pairs
}

var scalars = []string{
	"int32", "int64", "uint32", "uint64", "sint32", "sint64", "fixed32", "fixed64", "sfixed32", "sfixed64",
	"bool", "string", "bytes", "float", "double",
}

// types changes the type of a field: every two types, in a field, a list, a map's value and a map's key.
func (c *corpus) types() {
	const others = `
enum E { E_ZERO = 0; E_ONE = 1; }
enum F { F_ZERO = 0; F_ONE = 1; }
message M { $Lint32 x = 1; }
message N { $Lint32 x = 1; }
message A { enum Same { SAME_ZERO = 0; SAME_ONE = 1; } }
message B { enum Same { SAME_ZERO = 0; SAME_ONE = 1; } }
message C { enum Same { SAME_ZERO = 0; SAME_ONE = 1; SAME_TWO = 2; } }
message D { enum Same { SAME_ZERO = 0; SAME_UN = 1; } }
`
	alternatives := map[string]string{"E": "E", "F": "F", "M": "M", "N": "N", "A.Same": "A.Same", "B.Same": "B.Same", "C.Same": "C.Same", "D.Same": "D.Same"}
	for _, s := range scalars {
		alternatives[s] = s
	}
	c.eachBody("type of a field", others+"message T { $L% f = 1; }\n", alternatives)
	c.each("type of a list", proto3+strings.ReplaceAll(others, "$L", "")+"message T { repeated % f = 1; }\n", alternatives)
	c.each("type of a map's values", proto3+strings.ReplaceAll(others, "$L", "")+"message T { map<string, %> f = 1; }\n", alternatives)
	keys := map[string]string{}
	for _, s := range scalars {
		if s != "float" && s != "double" && s != "bytes" {
			keys[s] = s
		}
	}
	c.eachBody("type of a map's keys", "message T { map<%, string> f = 1; }\n", keys)
	c.each("message, group and scalar", proto2+"message T { % }\n", map[string]string{
		"group":   "optional group F = 1 { optional int32 x = 1; }",
		"message": "optional F f = 1; message F { optional int32 x = 1; }",
		"bytes":   "optional bytes f = 1; message F { optional int32 x = 1; }",
	})
	c.each("encoding of a message", edition+"message F { int32 x = 1; }\nmessage T { F f = 1%; }\n", map[string]string{
		"length":    "",
		"delimited": " [features.message_encoding = DELIMITED]",
		"said":      " [features.message_encoding = LENGTH_PREFIXED]",
	})
}

// cardinalities changes how many values a field has, and whether it knows to have none.
func (c *corpus) cardinalities() {
	for _, kind := range []string{"int32", "string", "bytes", "M", "E"} {
		head := "enum E { E_ZERO = 0; }\nmessage M { }\nmessage T { % }\n"
		c.each("proto2: label of "+kind, proto2+head, map[string]string{
			"optional": "optional " + kind + " f = 1;",
			"required": "required " + kind + " f = 1;",
			"repeated": "repeated " + kind + " f = 1;",
			"in oneof": "oneof o { " + kind + " f = 1; }",
			"map":      "map<string, " + kind + "> f = 1;",
		})
		c.each("proto3: label of "+kind, proto3+head, map[string]string{
			"implicit": kind + " f = 1;",
			"optional": "optional " + kind + " f = 1;",
			"repeated": "repeated " + kind + " f = 1;",
			"in oneof": "oneof o { " + kind + " f = 1; }",
			"map":      "map<string, " + kind + "> f = 1;",
		})
		presence := map[string]string{
			"explicit": kind + " f = 1;",
			"required": kind + " f = 1 [features.field_presence = LEGACY_REQUIRED];",
			"repeated": "repeated " + kind + " f = 1;",
			"expanded": "repeated " + kind + " f = 1 [features.repeated_field_encoding = EXPANDED];",
			"in oneof": "oneof o { " + kind + " f = 1; }",
			"map":      "map<string, " + kind + "> f = 1;",
		}
		if kind != "M" {
			presence["implicit"] = kind + " f = 1 [features.field_presence = IMPLICIT];"
		}
		c.each("edition: label of "+kind, edition+head, presence)
	}
	c.each("packing", proto3+"message T { repeated int32 f = 1%; }\n", map[string]string{
		"default": "", "packed": " [packed = true]", "unpacked": " [packed = false]",
	})
	c.each("required fields of a message", proto2+"message T { optional int32 a = 1; % }\n", map[string]string{
		"none": "", "one": "required int32 b = 2;", "two": "required int32 b = 2; required int32 c = 3;", "other": "required int32 c = 3;",
		"reserved": "reserved 2, 3; reserved \"b\", \"c\";",
	})
}

// numbersAndNames renames and renumbers fields.
func (c *corpus) numbersAndNames() {
	fields := map[string]string{
		"plain":           "$Lint32 a_b = 1;",
		"renamed":         "$Lint32 a_c = 1;",
		"json":            "$Lint32 a_b = 1 [json_name = \"x\"];",
		"json, renamed":   "$Lint32 a_c = 1 [json_name = \"x\"];",
		"other json":      "$Lint32 a_b = 1 [json_name = \"y\"];",
		"same json":       "$Lint32 a_b = 1 [json_name = \"aB\"];",
		"like its old":    "$Lint32 x_y = 1 [json_name = \"aB\"];",
		"renumbered":      "$Lint32 a_b = 2;",
		"renumbered well": "$Lint32 a_b = 2; reserved 1;",
		"swapped":         "$Lint32 a_c = 1; $Lint32 a_b = 2;",
		"both":            "$Lint32 a_b = 1; $Lint32 a_c = 2;",
		"upper case":      "$Lint32 A_B = 1;",
	}
	for _, s := range syntaxes {
		alternatives := map[string]string{}
		for name, text := range fields {
			alternatives[name] = strings.ReplaceAll(text, "$L", s.label)
		}
		c.each(s.name+": name and number of a field", s.head+"message T { % }\n", alternatives)
		c.each(s.name+": name and number in a nested message", s.head+"message O { message T { % } }\n", alternatives)
	}
	c.eachBody("names of a repeated field", "message T { repeated int32 %; }\n", map[string]string{
		"plain": "a = 1", "renamed": "b = 1", "json": "a = 1 [json_name = \"c\"]", "moved": "a = 3",
	})
	c.eachBody("names of a map", "message T { map<string, int32> %; }\n", map[string]string{
		"plain": "a = 1", "renamed": "b = 1", "json": "a = 1 [json_name = \"c\"]", "moved": "a = 3",
	})
}
