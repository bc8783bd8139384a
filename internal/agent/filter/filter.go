// Package filter reads the expressions of ?filter, such as `Service.Meta.version == "2" and web in Service.Tags`,
// and says which elements of a list fit. The grammar is go-bexpr's; what may be selected, which operators apply to
// it and what is said of a mistake are those of Consul 1.12.
//
// An element is any struct; its fields are selected by their Go names, except those tagged `bexpr:"-"`. The package
// never changes an element, and an expression is bounded in length and in the steps that reading it takes.
package filter

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/hashicorp/go-bexpr/grammar"
)

// Bounds of an expression.
const (
	longest   = 16 << 10 // bytes
	mostSteps = 500_000  // of the parser, which may go back and forth
)

// Consul's texts.
const (
	notCompiled = "Failed to create boolean expression evaluator"
	notCoerced  = "Failed to coerce value %q for selector %q"
	notPattern  = "Failed to compile regular expression %q"
)

// SyntaxError is that an expression does not follow the grammar. Other errors are about what its elements do not have.
type SyntaxError struct{ error }

func (e *SyntaxError) Unwrap() error { return e.error }

// predicate says whether a value fits.
type predicate func(reflect.Value) bool

// Filter is a compiled expression. The zero value lets everything pass. It may be used by several goroutines.
type Filter[T any] struct{ fits predicate }

// Compile reads an expression for elements of type T, a struct. An empty one lets everything pass. The error is for
// who wrote the expression.
func Compile[T any](expression string) (Filter[T], error) {
	if expression == "" {
		return Filter[T]{}, nil
	}
	fits, err := compile(expression, reflect.TypeFor[T]())
	if err != nil {
		return Filter[T]{}, fmt.Errorf(notCompiled+": %w", err) //nolint:staticcheck // Consul's text
	}
	return Filter[T]{fits}, nil
}

func compile(expression string, element reflect.Type) (predicate, error) {
	if len(expression) > longest {
		return nil, fmt.Errorf("the expression is longer than %d bytes", longest)
	}
	tree, err := grammar.Parse("", []byte(expression), grammar.MaxExpressions(mostSteps))
	if err != nil {
		return nil, &SyntaxError{err}
	}
	if plain := withPlainSlashes(expression); plain != expression {
		if other, err := grammar.Parse("", []byte(plain), grammar.MaxExpressions(mostSteps)); err == nil {
			tree = other
		}
	}
	root, ok := tree.(grammar.Expression)
	if !ok {
		return nil, errors.New("Invalid AST node") //nolint:staticcheck // Consul's text
	}
	return branch(root, element)
}

// withPlainSlashes returns the expression with the first slash of quoted texts written otherwise: the grammar of later
// versions takes "/a" for a way to a field, also where it is a value, which then lacks its slash.
func withPlainSlashes(expression string) string {
	var b strings.Builder
	quote := byte(0)
	for i := range len(expression) {
		c := expression[i]
		switch {
		case quote == 0 && (c == '"' || c == '`'):
			quote = c
		case quote == c:
			quote = 0
		case quote == '"' && c == '/' && expression[i-1] == '"':
			b.WriteString(`\x2f`)
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

// Fits reports whether the element fits.
func (f Filter[T]) Fits(element *T) bool {
	return f.fits == nil || f.fits(reflect.ValueOf(element).Elem())
}

// Select returns those of the list that fit, in its order: the list itself without an expression.
func (f Filter[T]) Select(list []*T) []*T {
	if f.fits == nil {
		return list
	}
	selected := []*T{}
	for _, element := range list {
		if f.Fits(element) {
			selected = append(selected, element)
		}
	}
	return selected
}

func branch(e grammar.Expression, element reflect.Type) (predicate, error) {
	switch node := e.(type) {
	case *grammar.UnaryExpression:
		operand, err := branch(node.Operand, element)
		if err != nil {
			return nil, err
		}
		return func(v reflect.Value) bool { return !operand(v) }, nil
	case *grammar.BinaryExpression:
		left, err := branch(node.Left, element)
		if err != nil {
			return nil, err
		}
		right, err := branch(node.Right, element)
		if err != nil {
			return nil, err
		}
		if node.Operator == grammar.BinaryOpAnd {
			return func(v reflect.Value) bool { return left(v) && right(v) }, nil
		}
		return func(v reflect.Value) bool { return left(v) || right(v) }, nil
	case *grammar.MatchExpression:
		return leaf(node, element)
	}
	return nil, errors.New("any and all are not supported: name the list itself, as in Checks.Status == passing")
}
