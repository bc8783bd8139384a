package breaking

import (
	"fmt"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/pandakit/panda/internal/protobuild/place"
)

// The numbers of parts of a FieldDescriptorProto.
const (
	partName     = 1
	partNumber   = 3
	partLabel    = 4
	partType     = 5
	partTypeName = 6
	partDefault  = 7
	partOptions  = 8
	partJSONName = 10
)

// describe names a field or an extension as a person would look for it.
func describe(f protoreflect.FieldDescriptor) string {
	if f.IsExtension() {
		return fmt.Sprintf("extension %s (%d) of message %s", f.FullName(), f.Number(), f.ContainingMessage().FullName())
	}
	if m := f.ContainingMessage(); m.IsMapEntry() {
		return fmt.Sprintf("the %s of the map entry %s", f.Name(), m.FullName())
	}
	return fmt.Sprintf("field %s (%d) of message %s", f.Name(), f.Number(), f.ContainingMessage().FullName())
}

// numbered names a field by what does not change when it is renamed.
func numbered(f protoreflect.FieldDescriptor) string {
	return fmt.Sprintf("%s %d", f.ContainingMessage().FullName(), f.Number())
}

// shownName is what names a field: an extension has a name of its own anywhere.
func shownName(f protoreflect.FieldDescriptor) string {
	if f.IsExtension() {
		return string(f.FullName())
	}
	return string(f.Name())
}

func sameName(p *pass, before, now protoreflect.FieldDescriptor) {
	if was, is := shownName(before), shownName(now); was != is {
		p.report(numbered(now), place.Of(now, partName), "%s was called %s", describe(now), was)
	}
}

func sameJSONName(p *pass, before, now protoreflect.FieldDescriptor) {
	if before.IsExtension() || before.JSONName() == now.JSONName() {
		return
	}
	p.report(numbered(now), place.Of(now, partJSONName), "%s was called %q in JSON and is %q now", describe(now), before.JSONName(), now.JSONName())
}

// typeText is a field's type as it is written in a file.
func typeText(f protoreflect.FieldDescriptor) string {
	switch f.Kind() {
	case protoreflect.EnumKind:
		return "enum " + string(f.Enum().FullName())
	case protoreflect.MessageKind:
		return "message " + string(f.Message().FullName())
	case protoreflect.GroupKind:
		return "group " + string(f.Message().FullName())
	default:
		return f.Kind().String()
	}
}

// typeName is the full name of a field's message or enum, or "".
func typeName(f protoreflect.FieldDescriptor) protoreflect.FullName {
	switch f.Kind() {
	case protoreflect.EnumKind:
		return f.Enum().FullName()
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return f.Message().FullName()
	default:
		return ""
	}
}

func (p *pass) typeChanged(before, now protoreflect.FieldDescriptor) {
	part := int32(partType)
	if typeName(now) != "" {
		part = partTypeName
	}
	p.report(numbered(now), place.Of(now, part), "%s was %s and is %s now", describe(now), typeText(before), typeText(now))
}

func sameType(p *pass, before, now protoreflect.FieldDescriptor) {
	if before.Kind() != now.Kind() || typeName(before) != typeName(now) {
		p.typeChanged(before, now)
	}
}

// wireGroups holds the kinds that read each other's bytes as the same values, as far as those fit. Enums and
// integers, messages and bytes do so only when every value is one of the other's, which nobody can know.
var wireGroups = map[protoreflect.Kind]int{
	protoreflect.Int32Kind: 1, protoreflect.Int64Kind: 1, protoreflect.Uint32Kind: 1, protoreflect.Uint64Kind: 1, protoreflect.BoolKind: 1,
	protoreflect.Sint32Kind: 2, protoreflect.Sint64Kind: 2,
	protoreflect.Fixed32Kind: 3, protoreflect.Sfixed32Kind: 3,
	protoreflect.Fixed64Kind: 4, protoreflect.Sfixed64Kind: 4,
	protoreflect.StringKind: 5, protoreflect.BytesKind: 6, protoreflect.DoubleKind: 7, protoreflect.FloatKind: 8,
	protoreflect.GroupKind: 9, protoreflect.MessageKind: 10, protoreflect.EnumKind: 11,
}

// jsonGroups holds the kinds that do so in JSON too: 64-bit integers are texts there, and 32-bit ones numbers.
var jsonGroups = map[protoreflect.Kind]int{
	protoreflect.Int32Kind: 1, protoreflect.Uint32Kind: 1,
	protoreflect.Int64Kind: 2, protoreflect.Uint64Kind: 2,
	protoreflect.Fixed32Kind: 3, protoreflect.Sfixed32Kind: 3,
	protoreflect.Fixed64Kind: 4, protoreflect.Sfixed64Kind: 4,
	protoreflect.BoolKind: 5, protoreflect.Sint32Kind: 6, protoreflect.Sint64Kind: 7,
	protoreflect.StringKind: 8, protoreflect.BytesKind: 9, protoreflect.DoubleKind: 10, protoreflect.FloatKind: 11,
	protoreflect.GroupKind: 12, protoreflect.MessageKind: 13, protoreflect.EnumKind: 14,
}

func jsonType(p *pass, before, now protoreflect.FieldDescriptor) {
	if jsonGroups[before.Kind()] != jsonGroups[now.Kind()] || differentNamed(before, now) {
		p.typeChanged(before, now)
	}
}

func wireType(p *pass, before, now protoreflect.FieldDescriptor) {
	if before.Kind() == protoreflect.StringKind && now.Kind() == protoreflect.BytesKind {
		return // bytes hold any text
	}
	if wireGroups[before.Kind()] != wireGroups[now.Kind()] || differentNamed(before, now) {
		p.typeChanged(before, now)
	}
}

// differentNamed reports whether two types of the same kind are different messages or enums. An enum that was
// moved is the same as long as it has kept its name and values.
func differentNamed(before, now protoreflect.FieldDescriptor) bool {
	if typeName(before) == typeName(now) {
		return false
	}
	if now.Kind() != protoreflect.EnumKind || before.Enum().Name() != now.Enum().Name() {
		return true
	}
	old, current := before.Enum().Values(), now.Enum().Values()
	for i := range old.Len() {
		value := current.ByName(old.Get(i).Name())
		if value == nil || value.Number() != old.Get(i).Number() {
			return true
		}
	}
	return false
}

// cardinality is how many values a field can have, and whether it knows to have none.
type cardinality string

const (
	explicit cardinality = "one value that may be unset"
	implicit cardinality = "one value that is never unset"
	required cardinality = "required"
	repeated cardinality = "repeated"
	mapped   cardinality = "a map"
)

func cardinalityOf(f protoreflect.FieldDescriptor) cardinality {
	switch {
	case f.IsMap():
		return mapped
	case f.IsList():
		return repeated
	case f.Cardinality() == protoreflect.Required:
		return required
	case f.HasPresence():
		return explicit
	}
	return implicit
}

// single makes explicit and implicit presence one.
func single(c cardinality) cardinality {
	if c == implicit {
		return explicit
	}
	return c
}

// judgeCardinality reports a change that class tells apart. What a map is made of cannot change in this way.
func (p *pass) judgeCardinality(before, now protoreflect.FieldDescriptor, class func(cardinality) cardinality) {
	if before.ContainingMessage().IsMapEntry() && now.ContainingMessage().IsMapEntry() {
		return
	}
	was, is := cardinalityOf(before), cardinalityOf(now)
	if class(was) != class(is) {
		p.report(numbered(now), place.Of(now), "%s was %s and is %s now", describe(now), was, is)
	}
}

func sameCardinality(p *pass, before, now protoreflect.FieldDescriptor) {
	p.judgeCardinality(before, now, func(c cardinality) cardinality { return c })
}

func jsonCardinality(p *pass, before, now protoreflect.FieldDescriptor) {
	p.judgeCardinality(before, now, single)
}

// wireCardinality takes a map for the list of entries that it is in the binary form.
func wireCardinality(p *pass, before, now protoreflect.FieldDescriptor) {
	p.judgeCardinality(before, now, func(c cardinality) cardinality {
		if c == mapped {
			return repeated
		}
		return single(c)
	})
}

// oneofOf returns the name of the oneof that a field was written in, or "".
func oneofOf(f protoreflect.FieldDescriptor) protoreflect.Name {
	if o := f.ContainingOneof(); o != nil && !o.IsSynthetic() {
		return o.Name()
	}
	return ""
}

func sameOneof(p *pass, before, now protoreflect.FieldDescriptor) {
	was, is := oneofOf(before), oneofOf(now)
	if before.IsExtension() || was == is {
		return
	}
	var text string
	switch {
	case was == "":
		text = fmt.Sprintf("moved into oneof %s", is)
	case is == "":
		text = fmt.Sprintf("moved out of oneof %s", was)
	default:
		text = fmt.Sprintf("moved from oneof %s to oneof %s", was, is)
	}
	p.report(numbered(now), place.Of(now), "%s was %s", describe(now), text)
}

func sameRequired(p *pass, before, now protoreflect.MessageDescriptor) {
	required := func(m protoreflect.MessageDescriptor, n protoreflect.FieldNumber) bool {
		f := m.Fields().ByNumber(n)
		return f != nil && f.Cardinality() == protoreflect.Required
	}
	for i := range before.Fields().Len() {
		if f := before.Fields().Get(i); required(before, f.Number()) && !required(now, f.Number()) {
			p.report(numbered(f), place.Of(now), "%s was required and is not any more", describe(f))
		}
	}
	for i := range now.Fields().Len() {
		if f := now.Fields().Get(i); required(now, f.Number()) && !required(before, f.Number()) {
			p.report(numbered(f), place.Of(f), "%s is required and was not", describe(f))
		}
	}
}
