package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/hashicorp/hcl/hcl/ast"
	"github.com/hashicorp/hcl/hcl/parser"
	"github.com/hashicorp/hcl/hcl/scanner"
	"github.com/hashicorp/hcl/hcl/token"
)

// readHCL reads the first version of HCL, as Consul does.
func readHCL(data []byte) (root value, problem *FileError) {
	// What the parser and its tokens do not expect they panic on.
	defer func() {
		if unexpected := recover(); unexpected != nil {
			root, problem = value{}, &FileError{Text: fmt.Sprintf("not HCL: %v", unexpected)}
		}
	}()
	if line := tooDeep(data); line > 0 {
		return value{}, &FileError{Line: line, Text: fmt.Sprintf("more than %d objects and lists inside each other", maxDepth)}
	}
	file, err := parser.ParseDontErrorOnDuplicateKeys(data)
	if err != nil {
		return value{}, hclProblem(err)
	}
	items, ok := file.Node.(*ast.ObjectList)
	if !ok {
		return value{}, &FileError{Text: "the file holds no keys"}
	}
	return hclObject(items, 1)
}

func hclProblem(err error) *FileError {
	if at, ok := errors.AsType[*parser.PosError](err); ok {
		return &FileError{Line: at.Pos.Line, Text: at.Err.Error()}
	}
	return &FileError{Text: err.Error()}
}

// tooDeep returns the line of the bracket that is one too many, or 0. The parser calls itself for each, and a file full of
// them would end the process.
func tooDeep(data []byte) int {
	tokens := scanner.New(data)
	tokens.Error = func(token.Pos, string) {} // the parser tells
	depth := 0
	for {
		switch t := tokens.Scan(); t.Type { //nolint:exhaustive // the others neither nest nor end
		case token.LBRACE, token.LBRACK:
			if depth++; depth > maxDepth {
				return t.Pos.Line
			}
		case token.RBRACE, token.RBRACK:
			depth--
		case token.EOF, token.ILLEGAL:
			return 0
		}
	}
}

func hclObject(items *ast.ObjectList, line int) (value, *FileError) {
	v := value{kind: object, line: line, block: true}
	for _, item := range items.Items {
		if len(item.Keys) == 0 {
			return value{}, &FileError{Line: item.Pos().Line, Text: "a value has no key"}
		}
		if len(item.Keys) > maxDepth {
			return value{}, &FileError{Line: item.Pos().Line, Text: fmt.Sprintf("more than %d keys in a row", maxDepth)}
		}
		inner, problem := hclValue(item.Val)
		if problem != nil {
			return value{}, problem
		}
		// service "web" {} is an object with the one key "web".
		for n := len(item.Keys) - 1; n > 0; n-- {
			key := item.Keys[n].Token
			inner = value{
				kind: object, line: key.Pos.Line, block: true,
				fields: []field{{name: hclKey(key), line: key.Pos.Line, value: inner}},
			}
		}
		key := item.Keys[0].Token
		v.add(field{name: hclKey(key), line: key.Pos.Line, value: inner})
	}
	return v, nil
}

// add sets the field; a block of a name that had one before makes a list of both.
func (v *value) add(f field) {
	before := v.field(f.name)
	if before == nil || !f.value.block {
		v.set(f)
		return
	}
	switch {
	case before.block:
		*before = value{kind: list, line: before.line, items: []value{*before, f.value}}
	case before.kind == list:
		before.items = append(before.items, f.value)
	default:
		v.set(f)
	}
}

func hclKey(t token.Token) string {
	name, _ := t.Value().(string)
	return name
}

func hclValue(node ast.Node) (value, *FileError) {
	switch n := node.(type) {
	case *ast.LiteralType:
		return hclLiteral(n.Token)
	case *ast.ObjectType:
		return hclObject(n.List, n.Pos().Line)
	case *ast.ListType:
		v := value{kind: list, line: n.Pos().Line}
		for _, item := range n.List {
			inner, problem := hclValue(item)
			if problem != nil {
				return value{}, problem
			}
			v.items = append(v.items, inner)
		}
		return v, nil
	}
	return value{}, &FileError{Line: node.Pos().Line, Text: "neither a value, a list nor an object"}
}

func hclLiteral(t token.Token) (value, *FileError) {
	v := value{line: t.Pos.Line}
	switch t.Type {
	case token.BOOL:
		v.kind, v.yes = boolean, t.Text == "true"
	case token.NUMBER:
		n, err := strconv.ParseInt(t.Text, 0, 64)
		if err != nil {
			return value{}, &FileError{Line: v.line, Text: fmt.Sprintf("number %s is out of range", t.Text)}
		}
		v.kind, v.text = number, strconv.FormatInt(n, 10)
	case token.FLOAT:
		f, err := strconv.ParseFloat(t.Text, 64)
		if err != nil || math.IsInf(f, 0) {
			return value{}, &FileError{Line: v.line, Text: fmt.Sprintf("number %s is out of range", t.Text)}
		}
		v.kind, v.text = number, strconv.FormatFloat(f, 'g', -1, 64)
	case token.STRING, token.HEREDOC:
		v.kind, v.text = text, fmt.Sprint(t.Value())
	default:
		return value{}, &FileError{Line: v.line, Text: fmt.Sprintf("%s is not a value", t.Text)}
	}
	return v, nil
}
