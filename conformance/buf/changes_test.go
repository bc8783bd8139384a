package buf_test

import (
	"fmt"
	"strings"
)

// removals removes fields of every kind, with and without a reservation.
func (c *corpus) removals() {
	fields := map[string]string{
		"field": "$Lint32 gone = 5;", "list": "repeated string gone = 5;", "map": "map<string, int32> gone = 5;",
		"message": "$LM gone = 5;", "enum": "$LE gone = 5;", "member of a oneof": "oneof o { int32 gone = 5; string stays = 6; }",
		"only member of a oneof": "oneof o { int32 gone = 5; }", "field with a JSON name": "$Lint32 gone = 5 [json_name = \"away\"];",
	}
	reservations := map[string]string{
		"nothing": "", "number": "reserved 5;", "name": "reserved %gone%;", "both": "reserved 5; reserved %gone%;",
		"range": "reserved 4 to 8; reserved %gone%;", "to max": "reserved 5 to max; reserved %gone%;",
		"another number": "reserved 4; reserved %gone%;", "another name": "reserved 5; reserved %going%;", "JSON name": "reserved 5; reserved %away%;",
	}
	for _, s := range syntaxes {
		for kind, field := range fields {
			for reserved, text := range reservations {
				quote := "\""
				if s.name == "edition" {
					quote = "" // names are written bare there
				}
				stays := ""
				if kind == "member of a oneof" {
					stays = "oneof o { string stays = 7; } "
				}
				head := s.head + "enum E { E_ZERO = 0; }\nmessage M { }\n"
				c.file(fmt.Sprintf("%s: %s removed, %s reserved", s.name, kind, reserved),
					head+"message T { "+strings.ReplaceAll(strings.ReplaceAll(field, "$L", s.label), "stays = 6", "stays = 7")+" }\n",
					head+"message T { "+stays+strings.ReplaceAll(text, "%", quote)+" }\n")
			}
		}
	}
}

// enums changes enums and their values.
func (c *corpus) enums() {
	quoted := func(s, name string) string {
		if s == "edition" {
			return name
		}
		return `"` + name + `"`
	}
	for _, s := range syntaxes {
		alternatives := map[string]string{
			"plain":            "ZERO = 0; ONE = 1; TWO = 2;",
			"removed":          "ZERO = 0; TWO = 2;",
			"number reserved":  "ZERO = 0; TWO = 2; reserved 1;",
			"name reserved":    "ZERO = 0; TWO = 2; reserved " + quoted(s.name, "ONE") + ";",
			"both reserved":    "ZERO = 0; TWO = 2; reserved 1; reserved " + quoted(s.name, "ONE") + ";",
			"range reserved":   "ZERO = 0; reserved 1 to 7; reserved " + quoted(s.name, "ONE") + ", " + quoted(s.name, "TWO") + ";",
			"negative":         "ZERO = 0; ONE = 1; TWO = 2; MINUS = -1; reserved -9 to -2;",
			"renamed":          "ZERO = 0; UN = 1; TWO = 2;",
			"zero renamed":     "NULL = 0; ONE = 1; TWO = 2;",
			"renumbered":       "ZERO = 0; ONE = 3; TWO = 2;",
			"swapped":          "ZERO = 0; ONE = 2; TWO = 1;",
			"reordered":        "ZERO = 0; TWO = 2; ONE = 1;",
			"added":            "ZERO = 0; ONE = 1; TWO = 2; THREE = 3;",
			"alias":            "option allow_alias = true; ZERO = 0; ONE = 1; UN = 1; TWO = 2;",
			"alias of another": "option allow_alias = true; ZERO = 0; ONE = 1; EIN = 1; TWO = 2;",
			"two aliases":      "option allow_alias = true; ZERO = 0; ONE = 1; UN = 1; EIN = 1; TWO = 2;",
			"deprecated":       "ZERO = 0; ONE = 1 [deprecated = true]; TWO = 2;",
		}
		c.each(s.name+": values of an enum", s.head+"enum E { % }\n", alternatives)
		c.each(s.name+": values of a nested enum", s.head+"message M { enum E { % } }\n", alternatives)
	}
	c.each("openness of an enum", edition+"enum E { % ZERO = 0; }\n", map[string]string{
		"default": "", "open": "option features.enum_type = OPEN;", "closed": "option features.enum_type = CLOSED;",
	})
	c.each("openness of a file's enums", edition+"%\nenum E { ZERO = 0; }\nmessage M { E e = 1; }\n", map[string]string{
		"default": "", "open": "option features.enum_type = OPEN;", "closed": "option features.enum_type = CLOSED;",
	})
}

// elements removes, renames, nests and moves messages and enums.
func (c *corpus) elements() {
	for _, s := range syntaxes {
		field := s.label + "int32 x = 1;"
		c.each(s.name+": messages of a file", s.head+"message Stays { }\n%\n", map[string]string{
			"none": "", "one": "message M { " + field + " }", "renamed": "message N { " + field + " }",
			"two": "message M { " + field + " } message N { }", "nested": "message O { message M { " + field + " } }",
			"nested elsewhere": "message P { message M { " + field + " } }", "outer alone": "message O { }",
			"deeply nested": "message O { message P { message M { " + field + " } } }",
			"an enum":       "enum M { M_ZERO = 0; }",
		})
		c.each(s.name+": enums of a file", s.head+"message Stays { }\n%\n", map[string]string{
			"none": "", "one": "enum E { ZERO = 0; }", "renamed": "enum F { ZERO = 0; }", "nested": "message O { enum E { ZERO = 0; } }",
			"outer alone": "message O { }", "deeply nested": "message O { message P { enum E { ZERO = 0; } } }",
		})
		c.moved(s.name, s.head, field)
	}
}

// moved moves elements between files of one package, and of two.
func (c *corpus) moved(name, head, field string) {
	one := head + "message M { " + field + " }\nenum E { ZERO = 0; }\nservice S { rpc Do(M) returns (M); }\n"
	c.add(name+": all moved to another file",
		map[string]string{"a.proto": one, "b.proto": head}, map[string]string{"a.proto": head, "b.proto": one})
	c.add(name+": file renamed", map[string]string{"a.proto": one}, map[string]string{"b.proto": one})
	c.add(name+": file removed", map[string]string{"a.proto": one, "b.proto": head}, map[string]string{"b.proto": head})
	c.add(name+": file added", map[string]string{"a.proto": one}, map[string]string{"a.proto": one, "b.proto": head + "message X { }\n"})
	other := strings.ReplaceAll(head, "package $P;", "package $P.other;")
	c.add(name+": message moved to another package",
		map[string]string{"a.proto": head + "message M { }\n", "b.proto": other},
		map[string]string{"a.proto": head, "b.proto": other + "message M { }\n"})
	for _, kind := range []string{"message M { " + field + " }", "enum E { ZERO = 0; }", "message O { message M { " + field + " } }"} {
		c.add(name+": moved: "+kind,
			map[string]string{"a.proto": head + kind, "b.proto": head}, map[string]string{"a.proto": head, "b.proto": head + kind})
		c.add(name+": moved and changed: "+kind,
			map[string]string{"a.proto": head + kind, "b.proto": head},
			map[string]string{"a.proto": head, "b.proto": head + strings.NewReplacer("x = 1", "y = 1", "ZERO", "NULL").Replace(kind)})
	}
	c.add(name+": package changed", map[string]string{"a.proto": one}, map[string]string{"a.proto": strings.ReplaceAll(one, "package $P;", "package $P.v2;")})
	c.add(name+": package and message changed", map[string]string{"a.proto": one},
		map[string]string{"a.proto": strings.NewReplacer("package $P;", "package $P.v2;", "message M", "message N", "(M)", "(N)").Replace(one)})
}

// services changes services and methods.
func (c *corpus) services() {
	for _, s := range syntaxes {
		head := s.head + "message A { }\nmessage B { }\n"
		methods := map[string]string{}
		for _, in := range []string{"A", "B", "stream A"} {
			for _, out := range []string{"A", "B", "stream A"} {
				methods[in+" to "+out] = fmt.Sprintf("rpc Do(%s) returns (%s);", in, out)
			}
		}
		for _, level := range []string{"NO_SIDE_EFFECTS", "IDEMPOTENT", "IDEMPOTENCY_UNKNOWN"} {
			methods[level] = "rpc Do(A) returns (B) { option idempotency_level = " + level + "; }"
		}
		methods["deprecated"] = "rpc Do(A) returns (B) { option deprecated = true; }"
		methods["none"] = ""
		methods["renamed"] = "rpc Done(A) returns (B);"
		methods["two"] = "rpc Do(A) returns (B); rpc Done(A) returns (B);"
		c.each(s.name+": methods of a service", head+"service S { % }\n", methods)
		c.each(s.name+": services of a file", head+"%\n", map[string]string{
			"none": "", "one": "service S { rpc Do(A) returns (B); }", "renamed": "service R { rpc Do(A) returns (B); }",
			"two": "service S { rpc Do(A) returns (B); } service R { rpc Do(A) returns (B); }", "split": "service S { } service R { rpc Do(A) returns (B); }",
		})
		c.add(s.name+": service moved",
			map[string]string{"a.proto": head + "service S { rpc Do(A) returns (B); }\n", "b.proto": s.head},
			map[string]string{"a.proto": head, "b.proto": s.head + "import \"$P/a.proto\";\nservice S { rpc Do(A) returns (B); }\n"})
		c.add(s.name+": service moved and changed",
			map[string]string{"a.proto": head + "service S { rpc Do(A) returns (B); }\n", "b.proto": s.head},
			map[string]string{"a.proto": head, "b.proto": s.head + "import \"$P/a.proto\";\nservice S { rpc Do(stream A) returns (B); }\n"})
	}
}

// files changes what a file says of itself.
func (c *corpus) files() {
	texts := []string{"csharp_namespace", "go_package", "java_outer_classname", "java_package", "objc_class_prefix", "php_class_prefix", "php_metadata_namespace", "php_namespace", "ruby_package", "swift_prefix"}
	for _, option := range texts {
		c.each("option "+option, proto3+"%\nmessage M { }\n", map[string]string{
			"none": "", "one": "option " + option + " = \"one/a\";", "other": "option " + option + " = \"other/a\";", "empty": "option " + option + " = \"\";",
		})
	}
	for _, option := range []string{"cc_enable_arenas", "cc_generic_services", "java_generic_services", "java_multiple_files", "py_generic_services", "java_string_check_utf8", "deprecated"} {
		for _, s := range syntaxes {
			c.each(s.name+": option "+option, s.head+"%\nmessage M { "+s.label+"string s = 1; }\n", map[string]string{
				"none": "", "on": "option " + option + " = true;", "off": "option " + option + " = false;",
			})
		}
	}
	c.each("option optimize_for", proto3+"%\nmessage M { }\n", map[string]string{
		"none": "", "speed": "option optimize_for = SPEED;", "size": "option optimize_for = CODE_SIZE;", "lite": "option optimize_for = LITE_RUNTIME;",
	})
	c.each("syntax", "%\npackage $P;\nenum E { ZERO = 0; }\nmessage M { repeated string s = 1; repeated E e = 2; map<string, string> m = 3; oneof o { string p = 4; } }\n", map[string]string{
		"proto2": "syntax = \"proto2\";", "unsaid": "", "proto3": "syntax = \"proto3\";", "edition": "edition = \"2023\";",
	})
	c.file("proto2 optional to proto3 implicit", proto2+"message M { optional string s = 1; optional int32 n = 2; optional M m = 3; }\n", proto3+"message M { string s = 1; int32 n = 2; M m = 3; }\n")
	c.file("proto2 optional to proto3 optional", proto2+"message M { optional string s = 1; }\n", proto3+"message M { optional string s = 1; }\n")
	c.each("package", "syntax = \"proto3\";\n%\nmessage $PM { int32 x = 1; }\n", map[string]string{
		"none": "", "one": "package $P;", "other": "package $P.v2;",
	})
	c.add("import made public", map[string]string{"a.proto": proto3 + "import \"$P/b.proto\";\nmessage M { N n = 1; }\n", "b.proto": proto3 + "message N { }\n"},
		map[string]string{"a.proto": proto3 + "import public \"$P/b.proto\";\nmessage M { N n = 1; }\n", "b.proto": proto3 + "message N { }\n"})
}

// reserved shrinks, splits and grows what is reserved, and what is open to extensions.
func (c *corpus) reserved() {
	ranges := map[string]string{
		"none": "", "one": "% 10;", "list": "% 10, 11, 12;", "range": "% 10 to 12;", "longer": "% 10 to 20;", "split": "% 10 to 12, 14 to 20;",
		"apart": "% 10, 12;", "to max": "% 10 to max;", "from lower": "% 5 to 12;", "adjacent": "% 10 to 11, 12 to 15;", "elsewhere": "% 30 to 40;",
	}
	named := func(word string) map[string]string {
		texts := map[string]string{}
		for name, text := range ranges {
			texts[name] = strings.ReplaceAll(text, "%", word)
		}
		return texts
	}
	for _, s := range syntaxes {
		c.each(s.name+": reserved numbers of a message", s.head+"message M { % }\n", named("reserved"))
		c.each(s.name+": reserved numbers of an enum", s.head+"enum E { ZERO = 0; % }\n", named("reserved"))
		if s.name != "proto3" {
			c.each(s.name+": extension ranges", s.head+"message M { % }\n", named("extensions"))
		}
	}
	names := map[string]string{"none": "", "a": `reserved "a";`, "b": `reserved "b";`, "both": `reserved "a", "b";`, "number": "reserved 9;"}
	c.each("reserved names of a message", proto3+"message M { % }\n", names)
	c.each("reserved names of an enum", proto3+"enum E { ZERO = 0; % }\n", names)
	c.file("reserved number given to a field", proto3+"message M { reserved 2; }\n", proto3+"message M { int32 a = 2; }\n")
	c.file("reserved name given to a field", proto3+"message M { reserved \"a\"; }\n", proto3+"message M { int32 a = 2; }\n")
}
