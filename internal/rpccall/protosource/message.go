package protosource

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// maxNumber is the largest number of a field, which a range of extensions writes as max.
const (
	maxNumber     = 1<<29 - 1
	maxEnumNumber = math.MaxInt32
)

func (p *printer) message(d protoreflect.MessageDescriptor) {
	p.options(d.Options())
	var written protoreflect.OneofDescriptor
	for i := range d.Fields().Len() {
		f := d.Fields().Get(i)
		oneof := f.ContainingOneof()
		if oneof == nil || oneof.IsSynthetic() {
			p.comments(f, func() { p.field(f, cardinality(f)) })
			continue
		}
		if oneof != written {
			written = oneof
			p.oneof(oneof)
		}
	}
	p.typesOf(d)
	p.extensionRanges(d)
	p.reserved(d.ReservedRanges().Len(), func(i int) [2]int64 {
		r := d.ReservedRanges().Get(i)
		return [2]int64{int64(r[0]), int64(r[1]) - 1}
	}, maxNumber, d.ReservedNames())
}

func (p *printer) oneof(d protoreflect.OneofDescriptor) {
	p.comments(d, func() {
		p.block("oneof "+string(d.Name()), func() {
			p.options(d.Options())
			for i := range d.Fields().Len() {
				f := d.Fields().Get(i)
				p.comments(f, func() { p.field(f, "") })
			}
		})
	})
}

// cardinality is the word before the type of a field, with a space behind it.
func cardinality(f protoreflect.FieldDescriptor) string {
	switch {
	case f.IsMap():
		return ""
	case f.Cardinality() == protoreflect.Repeated:
		return "repeated "
	case f.Syntax() == protoreflect.Editions:
		return "" // presence is a feature
	case f.Cardinality() == protoreflect.Required:
		return "required "
	case f.Syntax() == protoreflect.Proto2, f.HasOptionalKeyword():
		return "optional "
	}
	return ""
}

func (p *printer) field(f protoreflect.FieldDescriptor, word string) {
	if isGroupField(f) {
		p.block(fmt.Sprintf("%sgroup %s = %d%s", word, f.Message().Name(), f.Number(), p.fieldOptions(f)),
			func() { p.message(f.Message()) })
		return
	}
	p.line("%s%s %s = %d%s;", word, p.typeName(f), f.Name(), f.Number(), p.fieldOptions(f))
}

func (p *printer) typeName(f protoreflect.FieldDescriptor) string {
	switch {
	case f.IsMap():
		return fmt.Sprintf("map<%s, %s>", f.MapKey().Kind(), p.typeName(f.MapValue()))
	case f.Message() != nil:
		return p.name(f.Message())
	case f.Enum() != nil:
		return p.name(f.Enum())
	}
	return f.Kind().String()
}

// fieldOptions writes the default, the name in JSON where it is not the usual one, and the options.
func (p *printer) fieldOptions(f protoreflect.FieldDescriptor) string {
	var parts []string
	if f.HasDefault() {
		parts = append(parts, "default = "+defaultValue(f))
	}
	if f.HasJSONName() && !f.IsExtension() && f.JSONName() != usualJSONName(string(f.Name())) {
		parts = append(parts, "json_name = "+quote(f.JSONName()))
	}
	return brackets(append(parts, p.inline(f.Options())...))
}

// inline returns options as they stand in brackets; of a repeated one, each value by itself.
func (p *printer) inline(message protoreflect.ProtoMessage) []string {
	var parts []string
	for _, o := range p.optionsOf(message) {
		for _, value := range o.values {
			parts = append(parts, o.name+" = "+value)
		}
	}
	return parts
}

func brackets(parts []string) string {
	if len(parts) == 0 {
		return ""
	}
	return " [" + strings.Join(parts, ", ") + "]"
}

func defaultValue(f protoreflect.FieldDescriptor) string {
	if f.Kind() == protoreflect.EnumKind && f.DefaultEnumValue() != nil {
		return string(f.DefaultEnumValue().Name())
	}
	return scalar(f.Kind(), f.Default())
}

// usualJSONName is what protoc makes of a field's name.
func usualJSONName(name string) string {
	var b strings.Builder
	upper := false
	for _, r := range name {
		switch {
		case r == '_':
			upper = true
		case upper && r >= 'a' && r <= 'z':
			b.WriteRune(r - 'a' + 'A')
			upper = false
		default:
			b.WriteRune(r)
			upper = false
		}
	}
	return b.String()
}

func (p *printer) extensionRanges(d protoreflect.MessageDescriptor) {
	for i := range d.ExtensionRanges().Len() {
		r := d.ExtensionRanges().Get(i)
		text := numbers(int64(r[0]), int64(r[1])-1, maxNumber) + brackets(p.inline(d.ExtensionRangeOptions(i)))
		p.line("extensions %s;", text)
	}
}

func (p *printer) enum(d protoreflect.EnumDescriptor) {
	p.options(d.Options())
	for i := range d.Values().Len() {
		v := d.Values().Get(i)
		p.comments(v, func() { p.line("%s = %d%s;", v.Name(), v.Number(), brackets(p.inline(v.Options()))) })
	}
	p.reserved(d.ReservedRanges().Len(), func(i int) [2]int64 {
		r := d.ReservedRanges().Get(i)
		return [2]int64{int64(r[0]), int64(r[1])}
	}, maxEnumNumber, d.ReservedNames())
}

// reserved writes the ranges, whose bounds are inclusive, and the names.
func (p *printer) reserved(n int, at func(int) [2]int64, most int64, names protoreflect.Names) {
	var parts []string
	for i := range n {
		r := at(i)
		parts = append(parts, numbers(r[0], r[1], most))
	}
	if len(parts) > 0 {
		p.line("reserved %s;", strings.Join(parts, ", "))
	}
	parts = nil
	for i := range names.Len() {
		name := string(names.Get(i))
		if p.file.Syntax() != protoreflect.Editions {
			name = quote(name)
		}
		parts = append(parts, name)
	}
	if len(parts) > 0 {
		p.line("reserved %s;", strings.Join(parts, ", "))
	}
}

func numbers(first, last, most int64) string {
	from := strconv.FormatInt(first, 10)
	switch {
	case first == last:
		return from
	case last == most:
		return from + " to max"
	}
	return from + " to " + strconv.FormatInt(last, 10)
}
