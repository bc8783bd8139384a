package filter

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/go-bexpr/grammar"
)

// leaf compiles one comparison.
func leaf(m *grammar.MatchExpression, element reflect.Type) (predicate, error) {
	if m.Selector.Type != grammar.SelectorTypeBexpr { // "/a/b", which Consul's version of the grammar does not have
		return nil, fmt.Errorf("Selector %q is not valid", m.Selector) //nolint:staticcheck // Consul's text
	}
	m = plainOperator(m)
	at, err := selected(m.Selector.Path, element)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(operators(at), m.Operator) {
		return nil, fmt.Errorf("Invalid match operator %q for selector %q", m.Operator, m.Selector) //nolint:staticcheck // Consul's text
	}
	test, err := operation(m, at)
	if err != nil {
		return nil, err
	}
	return reach(m.Selector.Path, test, absent(m.Operator)), nil
}

// plainOperator returns the comparison in Consul's terms, where "contains" is "in" the other way round.
func plainOperator(m *grammar.MatchExpression) *grammar.MatchExpression {
	own := *m
	switch m.Operator { //nolint:exhaustive // the others stay
	case grammar.MatchContains:
		own.Operator = grammar.MatchIn
	case grammar.MatchNotContains:
		own.Operator = grammar.MatchNotIn
	}
	return &own
}

// selected returns the type of what a path names, starting from an element.
func selected(path []string, element reflect.Type) (reflect.Type, error) {
	at := element
	for depth, name := range path {
		next, ok := step(at, name)
		if !ok {
			return nil, fmt.Errorf("Selector %q is not valid", strings.Join(path[:depth+1], ".")) //nolint:staticcheck // Consul's text
		}
		at = next
	}
	return at, nil
}

// step returns the type that a name selects in a type. A list stands for any one of its elements.
func step(in reflect.Type, name string) (reflect.Type, bool) {
	in = target(in)
	if in.Kind() == reflect.Slice {
		in = target(in.Elem())
	}
	switch in.Kind() { //nolint:exhaustive // nothing can be selected in the others
	case reflect.Struct:
		field, ok := in.FieldByName(name)
		if !ok || !field.IsExported() || field.Tag.Get("bexpr") == "-" {
			return nil, false
		}
		return target(field.Type), true
	case reflect.Map:
		return target(in.Elem()), true
	}
	return nil, false
}

func target(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

// operators returns those that apply to a type.
func operators(t reflect.Type) []grammar.MatchOperator {
	equal := []grammar.MatchOperator{grammar.MatchEqual, grammar.MatchNotEqual}
	in := []grammar.MatchOperator{grammar.MatchIn, grammar.MatchNotIn}
	empty := []grammar.MatchOperator{grammar.MatchIsEmpty, grammar.MatchIsNotEmpty}
	switch t.Kind() { //nolint:exhaustive // no wire type has the others
	case reflect.String:
		return slices.Concat(equal, in, []grammar.MatchOperator{grammar.MatchMatches, grammar.MatchNotMatches})
	case reflect.Bool, reflect.Int, reflect.Int64, reflect.Uint, reflect.Uint64:
		return equal
	case reflect.Map:
		return slices.Concat(empty, in)
	case reflect.Slice:
		if target(t.Elem()).Kind() == reflect.String {
			return slices.Concat(in, empty)
		}
		return empty
	}
	return nil
}

// operation compiles what is asked of a value of the type.
func operation(m *grammar.MatchExpression, t reflect.Type) (predicate, error) {
	var test predicate
	var err error
	switch m.Operator {
	case grammar.MatchEqual, grammar.MatchNotEqual:
		test, err = equals(m, t)
	case grammar.MatchIn, grammar.MatchNotIn:
		test = contains(m.Value.Raw, t)
	case grammar.MatchIsEmpty, grammar.MatchIsNotEmpty:
		test = func(v reflect.Value) bool { return v.Len() == 0 }
	default:
		test, err = matches(m.Value.Raw)
	}
	if err == nil && negative(m.Operator) {
		positive := test
		test = func(v reflect.Value) bool { return !positive(v) }
	}
	return test, err
}

func negative(o grammar.MatchOperator) bool {
	return slices.Contains([]grammar.MatchOperator{
		grammar.MatchNotEqual, grammar.MatchNotIn, grammar.MatchIsNotEmpty, grammar.MatchNotMatches,
	}, o)
}

// absent is the answer where a map lacks the key that is asked for: Consul's, which for "matches" is yes.
func absent(o grammar.MatchOperator) bool {
	return !slices.Contains([]grammar.MatchOperator{grammar.MatchEqual, grammar.MatchIsNotEmpty, grammar.MatchIn}, o)
}

func equals(m *grammar.MatchExpression, t reflect.Type) (predicate, error) {
	raw := m.Value.Raw
	var err error
	var test predicate
	switch t.Kind() {
	case reflect.Bool:
		var want bool
		want, err = strconv.ParseBool(raw)
		test = func(v reflect.Value) bool { return v.Bool() == want }
	case reflect.Int, reflect.Int64:
		var want int64
		want, err = strconv.ParseInt(raw, 0, 0)
		test = func(v reflect.Value) bool { return v.Int() == want }
	case reflect.Uint, reflect.Uint64:
		var want uint64
		want, err = strconv.ParseUint(raw, 0, 0)
		test = func(v reflect.Value) bool { return v.Uint() == want }
	default:
		test = func(v reflect.Value) bool { return v.String() == raw }
	}
	if err != nil {
		return nil, fmt.Errorf(notCoerced+": %w", raw, m.Selector, err) //nolint:staticcheck // Consul's text
	}
	return test, nil
}

func contains(raw string, t reflect.Type) predicate {
	switch t.Kind() { //nolint:exhaustive // operators has let no other pass
	case reflect.Map:
		key := reflect.ValueOf(raw)
		return func(v reflect.Value) bool { return v.MapIndex(key).IsValid() }
	case reflect.Slice:
		return func(v reflect.Value) bool {
			for i := range v.Len() {
				if reflect.Indirect(v.Index(i)).String() == raw {
					return true
				}
			}
			return false
		}
	}
	return func(v reflect.Value) bool { return strings.Contains(v.String(), raw) }
}

func matches(raw string) (predicate, error) {
	pattern, err := regexp.Compile(raw)
	if err != nil {
		return nil, fmt.Errorf(notPattern+": %w", raw, err) //nolint:staticcheck // Consul's text
	}
	return func(v reflect.Value) bool { return pattern.MatchString(v.String()) }, nil
}

// reach returns the predicate of an element whose value at the end of the path passes the test. missing is the
// answer where a map on the way lacks a key.
func reach(path []string, test predicate, missing bool) predicate {
	if len(path) == 0 {
		return test
	}
	rest := reach(path[1:], test, missing)
	var key = reflect.ValueOf(path[0])
	var enter predicate
	enter = func(v reflect.Value) bool {
		switch v.Kind() { //nolint:exhaustive // selected has let no other pass
		case reflect.Struct:
			return rest(reflect.Indirect(v.FieldByName(path[0])))
		case reflect.Map:
			value := reflect.Indirect(v.MapIndex(key))
			if !value.IsValid() {
				return missing
			}
			return rest(value)
		}
		for i := range v.Len() {
			if enter(reflect.Indirect(v.Index(i))) {
				return true
			}
		}
		return false
	}
	return enter
}
