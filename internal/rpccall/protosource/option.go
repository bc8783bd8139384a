package protosource

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// option is one option that is set.
type option struct {
	name   string
	values []string // several of a repeated one
}

// options writes the options of a file, a message, an enum, a oneof, a service or a method, one a line.
func (p *printer) options(message protoreflect.ProtoMessage) {
	list := p.optionsOf(message)
	for _, o := range list {
		for _, value := range o.values {
			p.line("option %s = %s;", o.name, value)
		}
	}
	if _, ok := message.(*descriptorpb.FileOptions); ok && len(list) > 0 {
		p.blank()
	}
}

// compilerMade are fields of options that a compiler sets and no source has.
var compilerMade = []protoreflect.FullName{
	"google.protobuf.MessageOptions.map_entry",
	"google.protobuf.ExtensionRangeOptions.verification", // UNVERIFIED is what is not said
}

// optionsOf returns the options that are set, by their numbers. Those that nobody knows are left out: their names are
// not in the descriptor.
func (p *printer) optionsOf(message protoreflect.ProtoMessage) []option {
	if message == nil || !message.ProtoReflect().IsValid() {
		return nil
	}
	var set []protoreflect.FieldDescriptor
	values := p.withExtensions(message.ProtoReflect())
	values.Range(func(f protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		if !slices.Contains(compilerMade, f.FullName()) && f.Name() != "uninterpreted_option" {
			set = append(set, f)
		}
		return true
	})
	slices.SortFunc(set, func(a, b protoreflect.FieldDescriptor) int { return int(a.Number()) - int(b.Number()) })
	var list []option
	for _, f := range set {
		list = append(list, optionFields(optionName(f), f, values.Get(f))...)
	}
	return list
}

// withExtensions reads options anew with the types that were given: a descriptor that was made at run time keeps
// extensions as bytes.
func (p *printer) withExtensions(m protoreflect.Message) protoreflect.Message {
	if p.types == nil || len(m.GetUnknown()) == 0 {
		return m
	}
	raw, err := proto.MarshalOptions{AllowPartial: true}.Marshal(m.Interface())
	if err != nil {
		return m
	}
	again := m.New()
	if err := (proto.UnmarshalOptions{AllowPartial: true, Resolver: p.types}).Unmarshal(raw, again.Interface()); err != nil {
		return m
	}
	return again
}

func optionName(f protoreflect.FieldDescriptor) string {
	if f.IsExtension() {
		return "(" + string(f.FullName()) + ")"
	}
	return string(f.Name())
}

// optionFields writes "features" field by field, as sources do, and anything else as one value.
func optionFields(name string, f protoreflect.FieldDescriptor, v protoreflect.Value) []option {
	if !f.IsExtension() && f.Name() == "features" {
		var list []option
		for _, inner := range fieldsOf(v.Message()) {
			list = append(list, option{name + "." + optionName(inner), []string{text(inner, v.Message().Get(inner))}})
		}
		return list
	}
	if !f.IsList() {
		return []option{{name, []string{text(f, v)}}}
	}
	var values []string
	for i := range v.List().Len() {
		values = append(values, single(f, v.List().Get(i)))
	}
	return []option{{name, values}}
}

// fieldsOf returns the fields that are set, by number.
func fieldsOf(m protoreflect.Message) []protoreflect.FieldDescriptor {
	var set []protoreflect.FieldDescriptor
	m.Range(func(f protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		set = append(set, f)
		return true
	})
	slices.SortFunc(set, func(a, b protoreflect.FieldDescriptor) int { return int(a.Number()) - int(b.Number()) })
	return set
}

// text writes the value of a field in the text format.
func text(f protoreflect.FieldDescriptor, v protoreflect.Value) string {
	switch {
	case f.IsMap():
		var entries []string
		v.Map().Range(func(key protoreflect.MapKey, value protoreflect.Value) bool {
			entries = append(entries, fmt.Sprintf("{ key: %s, value: %s }", single(f.MapKey(), key.Value()), single(f.MapValue(), value)))
			return true
		})
		slices.Sort(entries)
		return "[" + strings.Join(entries, ", ") + "]"
	case f.IsList():
		var values []string
		for i := range v.List().Len() {
			values = append(values, single(f, v.List().Get(i)))
		}
		return "[" + strings.Join(values, ", ") + "]"
	}
	return single(f, v)
}

func single(f protoreflect.FieldDescriptor, v protoreflect.Value) string {
	switch f.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return messageText(v.Message())
	case protoreflect.EnumKind:
		if value := f.Enum().Values().ByNumber(v.Enum()); value != nil {
			return string(value.Name())
		}
		return strconv.Itoa(int(v.Enum()))
	default:
		return scalar(f.Kind(), v)
	}
}

func messageText(m protoreflect.Message) string {
	var parts []string
	for _, f := range fieldsOf(m) {
		name := string(f.Name())
		if f.IsExtension() {
			name = "[" + string(f.FullName()) + "]"
		} else if f.Kind() == protoreflect.GroupKind {
			name = string(f.Message().Name())
		}
		parts = append(parts, name+": "+text(f, m.Get(f)))
	}
	if len(parts) == 0 {
		return "{}"
	}
	return "{ " + strings.Join(parts, ", ") + " }"
}

func scalar(kind protoreflect.Kind, v protoreflect.Value) string {
	switch kind {
	case protoreflect.StringKind:
		return quote(v.String())
	case protoreflect.BytesKind:
		return quoteBytes(v.Bytes())
	case protoreflect.FloatKind:
		return float(v.Float(), 32)
	case protoreflect.DoubleKind:
		return float(v.Float(), 64)
	default:
		return fmt.Sprint(v.Interface())
	}
}

func float(f float64, size int) string {
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	}
	return strconv.FormatFloat(f, 'g', -1, size)
}

// quote writes a string literal. What is UTF-8 stays readable.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && n == 1 || r < ' ' || r == 0x7f || r == '"' || r == '\\' {
			escape(&b, s[0])
		} else {
			b.WriteString(s[:n])
		}
		s = s[n:]
	}
	b.WriteByte('"')
	return b.String()
}

func quoteBytes(raw []byte) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range raw {
		if c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			escape(&b, c)
		} else {
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func escape(b *strings.Builder, c byte) {
	switch c {
	case '\n':
		b.WriteString(`\n`)
	case '\t':
		b.WriteString(`\t`)
	case '"', '\\':
		b.WriteByte('\\')
		b.WriteByte(c)
	default:
		fmt.Fprintf(b, `\%03o`, c)
	}
}
