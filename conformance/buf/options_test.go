package buf_test

import "strings"

// options changes the options of fields and messages, and the features of editions.
func (c *corpus) options() {
	c.defaults()
	for _, kind := range []string{"int64", "uint64", "fixed64", "sint64", "sfixed64"} {
		c.each("jstype of "+kind, proto3+"message M { "+kind+" f = 1%; }\n", map[string]string{
			"none": "", "normal": " [jstype = JS_NORMAL]", "string": " [jstype = JS_STRING]", "number": " [jstype = JS_NUMBER]",
		})
	}
	for _, kind := range []string{"string", "bytes"} {
		for _, s := range syntaxes {
			c.each(s.name+": ctype of "+kind, s.head+"message M { "+s.label+kind+" f = 1%; }\n", map[string]string{
				"none": "", "string": " [ctype = STRING]", "cord": " [ctype = CORD]", "piece": " [ctype = STRING_PIECE]",
			})
		}
	}
	c.each("other options of a field", proto3+"message M { M f = 1%; }\n", map[string]string{
		"none": "", "deprecated": " [deprecated = true]", "lazy": " [lazy = true]", "redacted": " [debug_redact = true]",
	})
	c.each("options of a message", proto2+"message M { % optional int32 f = 1; }\n", map[string]string{
		"none": "", "no accessor": "option no_standard_descriptor_accessor = true;", "accessor": "option no_standard_descriptor_accessor = false;",
		"deprecated": "option deprecated = true;",
	})
	c.features()
}

func (c *corpus) features() {
	for _, where := range []struct{ name, text string }{
		{"file", "%\nenum E { ZERO = 0; }\nmessage M { string s = 1; repeated int32 r = 2; E e = 3; M m = 4; }\n"},
		{"message", "message M { % string s = 1; message N { string t = 1; enum E { ZERO = 0; } } }\n"},
	} {
		alternatives := map[string]string{"none": ""}
		for _, feature := range []string{"json_format = ALLOW", "json_format = LEGACY_BEST_EFFORT", "utf8_validation = VERIFY", "utf8_validation = NONE", "enum_type = CLOSED", "field_presence = EXPLICIT", "repeated_field_encoding = EXPANDED", "message_encoding = DELIMITED"} {
			if where.name == "message" && !strings.HasPrefix(feature, "json_format") && !strings.HasPrefix(feature, "enum_type") {
				continue // these have no place at a message
			}
			alternatives[feature] = "option features." + feature + ";"
		}
		c.each("features of a "+where.name, edition+where.text, alternatives)
	}
	c.each("features of a field", edition+"message M { string s = 1%; }\n", map[string]string{
		"none": "", "verified": " [features.utf8_validation = VERIFY]", "free": " [features.utf8_validation = NONE]",
	})
	c.each("features of an enum", edition+"enum E { % ZERO = 0; }\n", map[string]string{
		"none": "", "allowed": "option features.json_format = ALLOW;", "best effort": "option features.json_format = LEGACY_BEST_EFFORT;",
	})
	c.each("features of C++ and Java", edition+"import \"google/protobuf/cpp_features.proto\";\nimport \"google/protobuf/java_features.proto\";\nmessage M { string s = 1%; }\n", map[string]string{
		"none": "", "view": " [features.(pb.cpp).string_type = VIEW]", "cord": " [features.(pb.cpp).string_type = CORD]", "verified": " [features.(pb.java).utf8_validation = VERIFY]",
	})
}

func (c *corpus) defaults() {
	for kind, values := range map[string][]string{
		"int32": {"1", "2", "0", "-1"}, "uint64": {"1", "18446744073709551615"}, "bool": {"true", "false"}, "float": {"0.1", "1", "nan", "inf", "-inf"},
		"double": {"0.1", "1", "nan"}, "string": {`"a"`, `"b"`, `""`}, "bytes": {`"a"`, `"\001"`}, "E": {"ONE", "TWO", "ZERO"},
	} {
		alternatives := map[string]string{"none": ""}
		for _, v := range values {
			alternatives[v] = " [default = " + v + "]"
		}
		for _, s := range syntaxes {
			if s.name != "proto3" {
				c.each(s.name+": default of "+kind, s.head+"enum E { ZERO = 0; ONE = 1; TWO = 2; }\nmessage M { "+s.label+kind+" f = 1%; }\n", alternatives)
			}
		}
	}
	c.each("default and type", proto2+"enum E { ZERO = 0; ONE = 1; }\nmessage M { optional %; }\n", map[string]string{
		"int32": "int32 f = 1 [default = 1]", "int64": "int64 f = 1 [default = 1]", "double": "double f = 1 [default = 1]", "float 0.1": "float f = 1 [default = 0.1]",
		"double 0.1": "double f = 1 [default = 0.1]", "bool": "bool f = 1 [default = true]", "string": "string f = 1 [default = \"1\"]", "enum": "E f = 1 [default = ONE]",
		"bytes": "bytes f = 1 [default = \"1\"]", "unset": "int32 f = 1", "unset string": "string f = 1", "first of enum": "E f = 1",
	})
	c.file("first value of an enum", proto2+"enum E { A = 1; B = 2; }\nmessage M { optional E e = 1; }\n", proto2+"enum E { B = 2; A = 1; }\nmessage M { optional E e = 1; }\n")
}

// oneofs changes oneofs and what is in them.
func (c *corpus) oneofs() {
	c.eachBody("a oneof", "message M { % }\n", map[string]string{
		"two":         "oneof o { int32 a = 1; string b = 2; }",
		"renamed":     "oneof p { int32 a = 1; string b = 2; }",
		"one left":    "oneof o { int32 a = 1; } oneof p { string b = 2; }",
		"one removed": "oneof o { int32 a = 1; } reserved 2;",
		"three":       "oneof o { int32 a = 1; string b = 2; bool c = 3; }",
		"none":        "reserved 1, 2;",
		"swapped":     "oneof o { int32 b = 1; string a = 2; }",
	})
	c.each("oneof and optional", proto3+"message M { % }\n", map[string]string{
		"oneof": "oneof o { int32 a = 1; }", "optional": "optional int32 a = 1;", "plain": "int32 a = 1;", "oneof of the optional's name": "oneof _a { int32 a = 1; }",
	})
	c.each("outside and inside", proto3+"message M { oneof o { int32 z = 9; % } }\n", map[string]string{
		"in": "int32 a = 1;", "out": "} int32 a = 1; oneof p { int32 y = 8;",
	})
}

// extensions changes extensions, at the top and nested.
func (c *corpus) extensions() {
	head := proto2 + "message M { extensions 100 to 200; }\nmessage N { extensions 100 to 200; }\nenum E { ZERO = 0; }\n"
	c.each("an extension", head+"message Keeps { }\n%\n", map[string]string{
		"none":     "",
		"plain":    "extend M { optional int32 a = 100; }",
		"renamed":  "extend M { optional int32 b = 100; }",
		"moved":    "extend M { optional int32 a = 101; }",
		"retyped":  "extend M { optional string a = 100; }",
		"repeated": "extend M { repeated int32 a = 100; }",
		"another":  "extend N { optional int32 a = 100; }",
		"nested":   "message O { extend M { optional int32 a = 100; } }",
		"two":      "extend M { optional int32 a = 100; optional int32 c = 101; }",
		"default":  "extend M { optional int32 a = 100 [default = 3]; }",
		"an enum":  "extend M { optional E a = 100; }",
	})
	c.add("extension moved to another file",
		map[string]string{"a.proto": head + "extend M { optional int32 a = 100; }\n", "b.proto": proto2 + "import \"$P/a.proto\";\n"},
		map[string]string{"a.proto": head, "b.proto": proto2 + "import \"$P/a.proto\";\nextend M { optional int32 a = 100; }\n"})
}

// harmless adds things, which breaks nobody, and changes nothing but comments and layout.
func (c *corpus) harmless() {
	const base = "message M { $Lint32 a = 1; }\nenum E { ZERO = 0; }\nservice S { rpc Do(M) returns (M); }\n"
	for name, now := range map[string]string{
		"nothing":       base,
		"a comment":     "// A comment.\n" + base,
		"a message":     base + "message N { }\n",
		"an enum":       base + "enum F { F_ZERO = 0; }\n",
		"a service":     base + "service R { }\n",
		"a field":       strings.ReplaceAll(base, "a = 1;", "a = 1; $Lint32 b = 2;"),
		"a list":        strings.ReplaceAll(base, "a = 1;", "a = 1; repeated int32 b = 2;"),
		"a map":         strings.ReplaceAll(base, "a = 1;", "a = 1; map<string, M> b = 2;"),
		"a oneof":       strings.ReplaceAll(base, "a = 1;", "a = 1; oneof o { int32 b = 2; }"),
		"a value":       strings.ReplaceAll(base, "ZERO = 0;", "ZERO = 0; ONE = 1;"),
		"a method":      strings.ReplaceAll(base, "(M);", "(M); rpc Undo(M) returns (M);"),
		"reservations":  strings.ReplaceAll(base, "a = 1;", "a = 1; reserved 5 to 9;"),
		"another order": "service S { rpc Do(M) returns (M); }\nenum E { ZERO = 0; }\nmessage M { $Lint32 a = 1; }\n",
	} {
		c.body("added: "+name, base, now)
	}
}
