package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/pandakit/panda/internal/nearname"
)

// The keys, in the order in which people write them.
var (
	fileKeys    = []string{"services", "proto", "deploy"} //nolint:gochecknoglobals // constant
	serviceKeys = []string{                               //nolint:gochecknoglobals // constant
		"path", "replicas", "env", "args", "after", "oneshot", "image", "limits", "secrets", "drain", "expose",
	}
)

// maxDepth bounds brackets within brackets, and list markers on one line: a valid file needs four, and the
// parser's time grows with the square of it.
const maxDepth = 16

// maxNameLength is that of a DNS label, which a service's name becomes.
const maxNameLength = 63

// Parse reads data as the content of the file called name. Every error is an *[Error].
func Parse(name string, data []byte) (*File, error) {
	f := &File{Name: name}
	if len(data) > MaxSize {
		return nil, f.Errorf(Pos{1, 1}, "the file is larger than %d KiB", MaxSize>>10)
	}
	if !utf8.Valid(data) {
		return nil, f.Errorf(invalidPos(data), "not UTF-8 text")
	}
	tokens := lexer.Tokenize(string(data))
	if deep := tooDeep(tokens); deep != nil {
		return nil, f.Errorf(pos(deep), "nested deeper than %d levels", maxDepth)
	}
	tree, err := parser.Parse(tokens, 0)
	if err != nil {
		return nil, f.syntaxError(err)
	}
	if len(tree.Docs) > 1 {
		return nil, f.Errorf(pos(tree.Docs[1].Start), "a second document; the file holds one")
	}
	if len(tree.Docs) == 0 || isEmpty(tree.Docs[0].Body) {
		return f, nil
	}
	p := parse{f}
	if err := p.file(tree.Docs[0].Body); err != nil {
		return nil, err
	}
	if err := f.checkCycle(); err != nil {
		return nil, err
	}
	return f, nil
}

// tooDeep returns the first token below maxDepth, or nil.
func tooDeep(tokens token.Tokens) *token.Token {
	brackets, markers, line := 0, 0, 0
	for _, t := range tokens {
		if t.Position.Line != line {
			line, markers = t.Position.Line, 0
		}
		switch t.Type { //nolint:exhaustive // only these nest without an indent
		case token.SequenceStartType, token.MappingStartType:
			brackets++
		case token.SequenceEndType, token.MappingEndType:
			brackets--
		case token.SequenceEntryType, token.MappingKeyType:
			markers++
		}
		if brackets > maxDepth || markers > maxDepth {
			return t
		}
	}
	return nil
}

func (f *File) syntaxError(err error) error {
	if located, ok := errors.AsType[yaml.Error](err); ok && located.GetToken() != nil {
		return f.Errorf(pos(located.GetToken()), "%s", oneLine(located.GetMessage()))
	}
	return f.Errorf(Pos{1, 1}, "%s", oneLine(err.Error()))
}

// parse turns nodes into values; every method returns an *Error at the node that is wrong.
type parse struct{ *File }

func (p parse) file(node ast.Node) error {
	return p.mapping(node, "the file", func(key string, at Pos, value ast.Node) error {
		switch {
		case key == "proto":
			return p.proto(at, value)
		case key == "deploy":
			return p.deploy(value)
		case key != "services":
			return p.unknownKey(at, key, fileKeys)
		case isEmpty(value):
			return nil
		}
		return p.mapping(value, "services", p.service)
	})
}

func (p parse) service(name string, at Pos, node ast.Node) error {
	if why := badName(name); why != "" {
		return p.Errorf(at, "service name %q: %s", name, why)
	}
	if len(p.Services) == MaxServices {
		return p.Errorf(at, "more than %d services", MaxServices)
	}
	s := Service{Name: name, Replicas: 1, Pos: at, PathPos: at}
	if !isEmpty(node) {
		err := p.mapping(node, "service "+name, func(key string, at Pos, value ast.Node) error {
			return p.setting(&s, key, at, value)
		})
		if err != nil {
			return err
		}
	}
	if err := p.checkSecrets(&s); err != nil {
		return err
	}
	if s.Replicas > 1 && FixedPort(s.Env) {
		return p.Errorf(at, "service %s: PANDA_ADDR %q is one port, which %d replicas cannot share",
			name, s.Env["PANDA_ADDR"], s.Replicas)
	}
	p.Services = append(p.Services, s)
	return nil
}

func (p parse) setting(s *Service, key string, at Pos, value ast.Node) (err error) {
	switch key {
	case "path":
		s.PathPos = position(value)
		s.Path, err = p.path(value)
	case "replicas":
		s.Replicas, err = p.replicas(value)
	case "env":
		s.Env, err = p.env(value)
	case "args":
		err = p.list(value, "args", func(arg string, _ Pos) error {
			s.Args = append(s.Args, arg)
			return nil
		})
	case "after":
		err = p.list(value, "after", func(name string, at Pos) error {
			s.After = append(s.After, Reference{name, at})
			return nil
		})
	case "oneshot":
		s.Oneshot, err = p.boolean(value, "oneshot")
	default:
		err = p.deployed(s, key, at, value)
	}
	return err
}

func (p parse) path(node ast.Node) (string, error) {
	n, ok := node.(*ast.StringNode)
	if !ok || n.Value == "" || strings.ContainsRune(n.Value, 0) {
		return "", p.wrongType(node, "path", "the path of a folder, such as ./hello")
	}
	return n.Value, nil
}

func (p parse) replicas(node ast.Node) (int, error) {
	n, ok := node.(*ast.IntegerNode)
	if !ok {
		return 0, p.wrongType(node, "replicas", "a number")
	}
	count, err := strconv.Atoi(n.GetToken().Value)
	if err != nil || count < 1 || count > MaxReplicas {
		return 0, p.Errorf(position(node), "replicas is %s, want 1 to %d", n.GetToken().Value, MaxReplicas)
	}
	return count, nil
}

func (p parse) boolean(node ast.Node, key string) (bool, error) {
	n, ok := node.(*ast.BoolNode)
	if !ok {
		return false, p.wrongType(node, key, "true or false")
	}
	return n.Value, nil
}

func (p parse) env(node ast.Node) (map[string]string, error) {
	if isEmpty(node) {
		return nil, nil
	}
	env := make(map[string]string)
	err := p.mapping(node, "env", func(key string, at Pos, value ast.Node) error {
		if key == "" || strings.ContainsAny(key, "=\x00") {
			return p.Errorf(at, "env: %q cannot be the name of a variable", key)
		}
		if key == "PANDA_INSTANCE" {
			return p.Errorf(at, "env: PANDA_INSTANCE is given to each instance by panda up")
		}
		text, err := p.scalar(value, key)
		env[key] = text
		return err
	})
	return env, err
}

// mapping calls each with every entry in the order of the file.
func (p parse) mapping(node ast.Node, what string, each func(key string, at Pos, value ast.Node) error) error {
	m, ok := node.(ast.MapNode)
	if !ok {
		return p.wrongType(node, what, "a mapping (key: value)")
	}
	for entries := m.MapRange(); entries.Next(); {
		key, ok := entries.Key().(ast.ScalarNode)
		if !ok {
			return p.Errorf(position(entries.Key()), "%s: a key must be plain text", what)
		}
		if err := each(key.GetToken().Value, position(key), entries.Value()); err != nil {
			return err
		}
	}
	return nil
}

func (p parse) list(node ast.Node, what string, each func(text string, at Pos) error) error {
	if isEmpty(node) {
		return nil
	}
	sequence, ok := node.(*ast.SequenceNode)
	if !ok {
		return p.wrongType(node, what, "a list, such as [a, b]")
	}
	for _, value := range sequence.Values {
		text, err := p.scalar(value, what)
		if err != nil {
			return err
		}
		if err := each(text, position(value)); err != nil {
			return err
		}
	}
	return nil
}

// scalar returns a text, or a number or boolean as it is written: what programs get is text all the same.
func (p parse) scalar(node ast.Node, what string) (string, error) {
	var text string
	switch n := node.(type) {
	case *ast.StringNode:
		text = n.Value
	case *ast.LiteralNode:
		text = n.Value.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		text = n.GetToken().Value
	default:
		return "", p.wrongType(node, what, `a text ("" for an empty one)`)
	}
	if strings.ContainsRune(text, 0) {
		return "", p.Errorf(position(node), "%s: the text holds a NUL character", what)
	}
	return text, nil
}

func (p parse) unknownKey(at Pos, key string, known []string) error {
	if near := nearname.Of(key, known); len(near) > 0 {
		return p.Errorf(at, "unknown key %q; near: %s", key, strings.Join(near, ", "))
	}
	return p.Errorf(at, "unknown key %q; known: %s", key, strings.Join(known, ", "))
}

func (p parse) wrongType(node ast.Node, what, want string) error {
	return p.Errorf(position(node), "%s is %s, want %s", what, kind(node), want)
}

func kind(node ast.Node) string {
	switch node.(type) {
	case nil, *ast.NullNode:
		return "empty"
	case *ast.StringNode, *ast.LiteralNode:
		return "a text"
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "a number"
	case *ast.BoolNode:
		return "true or false"
	case ast.MapNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.AnchorNode, *ast.AliasNode:
		return "an anchor or alias"
	default:
		return fmt.Sprintf("of the unknown kind %T", node)
	}
}

func badName(name string) string {
	if name == "" {
		return "it is empty"
	}
	if utf8.RuneCountInString(name) > maxNameLength {
		return fmt.Sprintf("longer than %d characters", maxNameLength)
	}
	for i, r := range name {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && (i == 0 || !strings.ContainsRune("-_.", r)) {
			return "want letters and digits, and - _ . after the first"
		}
	}
	return ""
}

func isEmpty(node ast.Node) bool {
	_, null := node.(*ast.NullNode)
	return node == nil || null
}

func position(node ast.Node) Pos {
	if m, ok := node.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		return position(m.Values[0].Key) // a block mapping's own token is its first colon
	}
	if m, ok := node.(*ast.MappingValueNode); ok {
		return position(m.Key)
	}
	if node == nil {
		return Pos{1, 1}
	}
	return pos(node.GetToken())
}

func pos(t *token.Token) Pos {
	if t == nil || t.Position == nil {
		return Pos{1, 1}
	}
	return Pos{max(t.Position.Line, 1), max(t.Position.Column, 1)}
}

func invalidPos(data []byte) Pos {
	at := Pos{1, 1}
	for len(data) > 0 {
		r, size := utf8.DecodeRune(data)
		if r == utf8.RuneError && size == 1 {
			break
		}
		at.Column++
		if r == '\n' {
			at = Pos{at.Line + 1, 1}
		}
		data = data[size:]
	}
	return at
}

// oneLine is the first line of s, tabs made visible.
func oneLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return strings.ReplaceAll(line, "\t", `\t`)
}
