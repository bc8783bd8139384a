package config_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/pandakit/panda/internal/workspace/config"
)

func TestParseReadsProto(t *testing.T) {
	t.Parallel()
	file, err := config.Parse("panda.yaml", []byte(`proto:
  roots: [proto, api]
  exclude:
    - proto/old
    - "*/draft_*.proto"
  generate:
    - plugin: go
    - {plugin: es, out: web/gen, options: [target=ts, import_extension=js]}
  lint: {disable: [COMMENTS]}
  breaking:
    ignore: [proto/draft, FIELD_NAME]
services: {hello: {}}
`))
	if err != nil {
		t.Fatal(err)
	}
	want := &config.Proto{
		Roots:   []config.Reference{{"proto", config.Pos{2, 11}}, {"api", config.Pos{2, 18}}},
		Exclude: []config.Reference{{"proto/old", config.Pos{4, 7}}, {"*/draft_*.proto", config.Pos{5, 7}}},
		Generate: []config.Target{
			{Plugin: "go", Pos: config.Pos{7, 15}},
			{Plugin: "es", Out: "web/gen", Options: []string{"target=ts", "import_extension=js"}, Pos: config.Pos{8, 16}},
		},
		LintDisable:    []config.Reference{{"COMMENTS", config.Pos{9, 20}}},
		BreakingIgnore: []config.Reference{{"proto/draft", config.Pos{11, 14}}, {"FIELD_NAME", config.Pos{11, 27}}},
		Pos:            config.Pos{1, 1},
	}
	if !reflect.DeepEqual(file.Proto, want) {
		t.Errorf("Parse gives\n%+v\nwant\n%+v", file.Proto, want)
	}
	if len(file.Services) != 1 {
		t.Errorf("%d services, want 1", len(file.Services))
	}
}

func TestParseOfProtoAlone(t *testing.T) {
	t.Parallel()
	for text, generates := range map[string]bool{
		"proto:\n":              false,
		"proto: {}\n":           false,
		"proto: {generate:}\n":  false,
		"proto: {lint: }\n":     false,
		"proto: {generate: []}": true, // generates nothing, as it says
		"proto: {roots: ['.']}": false,
	} {
		file, err := config.Parse("panda.yaml", []byte(text))
		if err != nil || file.Proto == nil || len(file.Services) != 0 || (file.Proto.Generate != nil) != generates {
			t.Errorf("Parse(%q) = %+v, %v", text, file, err)
		}
	}
	if file, err := config.Parse("panda.yaml", []byte("services: {}\n")); err != nil || file.Proto != nil {
		t.Errorf("Parse without proto: %+v, %v", file, err)
	}
}

func TestParseNamesThePlaceInProto(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ text, want string }{
		{"proto: [a]\n", "1:8: proto is a list, want a mapping"},
		{"proto:\n  root: [a]\n", `2:3: unknown key "root"; near: roots`},
		{"proto:\n  roots: a\n", "2:10: roots is a text, want a list"},
		{"proto: {roots: ['']}\n", "1:17: roots: the path is empty"},
		{"proto: {roots: [../x]}\n", `1:17: roots: "../x" leads out of the folder of panda.yaml`},
		{"proto: {roots: [/etc]}\n", `1:17: roots: "/etc" leads out`},
		{"proto: {roots: ['C:/x']}\n", `"C:/x" leads out`},
		{"proto: {roots: ['a\\b']}\n", `"a\\b" has backslashes`},
		{"proto: {exclude: ['[']}\n", `exclude: "[" is no pattern`},
		{"proto: {generate: go}\n", "1:19: generate is a text, want a list"},
		{"proto: {generate: [go]}\n", "1:20: an entry of generate is a text, want a mapping"},
		{"proto: {generate: [{out: x}]}\n", "1:20: an entry of generate has no plugin"},
		{"proto: {generate: [{plugin: ''}]}\n", "an entry of generate has no plugin"},
		{"proto: {generate: [{plugin: go, out: ../x}]}\n", `1:38: out: "../x" leads out`},
		{"proto: {generate: [{plugin: go, opt: []}]}\n", `1:33: unknown key "opt"; near: out, options`},
		{"proto: {generate: [{plugin: go, options: a}]}\n", "1:42: options is a text, want a list"},
		{"proto: {lint: {disabled: []}}\n", `1:16: unknown key "disabled"; near: disable`},
		{"proto: {breaking: {ignore: [' ']}}\n", "1:29: ignore: a name is empty"},
		{"proto:\n  generate:\n" + strings.Repeat("  - {plugin: go}\n", config.MaxTargets+1), "generate has more than 50 entries"},
	} {
		file, err := config.Parse("panda.yaml", []byte(test.text))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("Parse(%q) = %+v, %v, want %q", test.text, file, err, test.want)
		}
	}
}
