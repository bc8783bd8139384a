// Package scaffold writes new projects: a service of gRPC, net/rpc or HTTP, a web page or a command, in a module of its
// own or in one that exists. All files are made in memory from the templates that are embedded here, checked, and
// tried as a module in a temporary folder, where the Go code of .proto files is generated and everything is compiled.
// Only then they are written, all or none.
//
//	plan, err := scaffold.NewPlan(request)
//	result, err := plan.Create(ctx, tools)
//
// It runs the go command and nothing else, and never the code that it writes. Generating code from .proto files is
// handed in, because another feature does it. It asks nobody anything, and reads no environment and no arguments.
package scaffold

import (
	"fmt"
	"slices"
	"strings"
)

// Type is a kind of project.
type Type string

// The types, as the course's "micro new" knew srv and web.
const (
	Srv Type = "srv" // a gRPC service
	Web Type = "web" // a page in a browser, and JSON, that call a srv
	API Type = "api" // gRPC, and JSON over HTTP for the same methods
	RPC Type = "rpc" // Go's net/rpc
	CLI Type = "cli" // a command that calls a srv
)

// Types returns all types, in the order in which people are told of them.
func Types() []Type { return []Type{Srv, Web, API, RPC, CLI} }

// Describe returns what the type is, in a few words.
func (t Type) Describe() string {
	switch t {
	case Srv:
		return "a gRPC service"
	case Web:
		return "a web page and JSON that call a srv by name"
	case API:
		return "gRPC, and JSON over HTTP for the same methods"
	case RPC:
		return "a service of Go's net/rpc"
	case CLI:
		return "a command that calls a srv by name"
	}
	return ""
}

// ParseType returns the type of that name. Quotes around it are taken away, curly ones too: text processors put them
// into commands that are copied from documents.
func ParseType(name string) (Type, error) {
	t := Type(strings.ToLower(strings.Trim(name, ` "'“”‘’「」`)))
	if !slices.Contains(Types(), t) {
		return "", &InputError{Text: fmt.Sprintf("unknown type %q; known: %s", name, joinTypes())}
	}
	return t, nil
}

func joinTypes() string {
	names := make([]string, 0, len(Types()))
	for _, t := range Types() {
		names = append(names, string(t))
	}
	return strings.Join(names, ", ")
}

// runs reports whether the project is a service, which listens and is found by a name.
func (t Type) runs() bool { return t != CLI }

// calls reports whether the project calls another service.
func (t Type) calls() bool { return t == Web || t == CLI }

// Language is that of what people read: README and page. Code and its comments are English.
type Language string

// The languages.
const (
	English Language = "en"
	Chinese Language = "zh"
)

// ParseLanguage returns the language of that name.
func ParseLanguage(name string) (Language, error) {
	if l := Language(name); l == English || l == Chinese {
		return l, nil
	}
	return "", &InputError{Text: fmt.Sprintf("unknown language %q; known: en, zh", name)}
}

// LanguageOf returns the language that a locale names, as LC_ALL and LANG do: zh_CN.UTF-8 is Chinese, all others are
// answered in English.
func LanguageOf(locale string) Language {
	name, _, _ := strings.Cut(strings.ToLower(locale), ".")
	if name == "zh" || strings.HasPrefix(name, "zh_") || strings.HasPrefix(name, "zh-") {
		return Chinese
	}
	return English
}

// InputError says what is wrong with what was asked for; nothing has been written.
type InputError struct {
	Text string
	Do   string // what to do about it, a sentence without its full stop; may be empty
}

func (e *InputError) Error() string { return e.Text }

func inputErrorf(do, format string, args ...any) error {
	return &InputError{Text: fmt.Sprintf(format, args...), Do: do}
}
