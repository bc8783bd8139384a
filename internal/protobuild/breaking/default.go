package breaking

import (
	"fmt"
	"math"
	"math/big"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/pandakit/panda/internal/protobuild/place"
)

// sameDefault compares values, not types: a changed type is found by other rules.
func sameDefault(p *pass, before, now protoreflect.FieldDescriptor) {
	if !hasDefault(before) || !hasDefault(now) {
		return
	}
	was, is := defaultOf(before), defaultOf(now)
	if equalDefaults(was, is) || isZero(was) && isZero(is) {
		return
	}
	p.report(numbered(now), place.Of(now, partDefault), "the default of %s was %s and is %s now", describe(now), shownDefault(before), shownDefault(now))
}

func hasDefault(f protoreflect.FieldDescriptor) bool {
	return !f.IsList() && !f.IsMap() && f.Message() == nil && (f.Enum() == nil || !f.Enum().IsPlaceholder())
}

// defaultOf returns a string, bool, number or float.
func defaultOf(f protoreflect.FieldDescriptor) any {
	switch f.Kind() {
	case protoreflect.BytesKind:
		return string(f.Default().Bytes())
	case protoreflect.EnumKind:
		return int32(f.Default().Enum())
	default:
		return f.Default().Interface()
	}
}

func isZero(v any) bool {
	switch v := v.(type) {
	case string:
		return v == ""
	default:
		number, ok := asFloat(v)
		return ok && number.Sign() == 0
	}
}

func shownDefault(f protoreflect.FieldDescriptor) string {
	if f.Kind() == protoreflect.EnumKind {
		if v := f.Enum().Values().ByNumber(f.Default().Enum()); v != nil {
			return string(v.Name())
		}
	}
	switch v := defaultOf(f).(type) {
	case string:
		return fmt.Sprintf("%q", v)
	default:
		return fmt.Sprint(v)
	}
}

func equalDefaults(a, b any) bool {
	if a == b {
		return true
	}
	if _, ok := a.(string); ok {
		return false
	}
	if _, ok := b.(string); ok {
		return false
	}
	// A float made a double has digits more, and is the same value still.
	switch x := a.(type) {
	case float32:
		if y, ok := b.(float64); ok && x == float32(y) {
			return true
		}
	case float64:
		if y, ok := b.(float32); ok && float32(x) == y {
			return true
		}
	}
	x, xIsNumber := asFloat(a)
	y, yIsNumber := asFloat(b)
	if !xIsNumber || !yIsNumber {
		return xIsNumber == yIsNumber // not a number is like itself
	}
	return x.Cmp(y) == 0
}

// asFloat holds any number exactly; false is for NaN.
func asFloat(v any) (*big.Float, bool) {
	number := new(big.Float)
	switch v := v.(type) {
	case bool:
		if v {
			number.SetInt64(1)
		}
	case int32:
		number.SetInt64(int64(v))
	case int64:
		number.SetInt64(v)
	case uint32:
		number.SetUint64(uint64(v))
	case uint64:
		number.SetUint64(v)
	case float32:
		return finite(float64(v))
	case float64:
		return finite(v)
	}
	return number, true
}

func finite(v float64) (*big.Float, bool) {
	if math.IsNaN(v) {
		return nil, false
	}
	return big.NewFloat(v), true
}
