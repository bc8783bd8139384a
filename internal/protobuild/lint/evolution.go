package lint

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

const proto2Head = "-- acme/v1/a.proto --\nsyntax = \"proto2\";\n\npackage acme.v1;\n\n"

func evolutionRules() []Rule {
	return []Rule{
		{
			"ENUM_FIRST_VALUE_ZERO", Evolution,
			"The first value of an enum is 0. In proto2 the first value is what unset fields have, in proto3 it is 0; when both are one, nothing changes when the file moves on.",
			proto2Head + "enum Kind {\n  KIND_CAT = 1;\n  KIND_UNSPECIFIED = 0;\n}", proto2Head + "enum Kind {\n  KIND_UNSPECIFIED = 0;\n  KIND_CAT = 1;\n}",
			eachEnum(func(p *pass, e protoreflect.EnumDescriptor) {
				if first := e.Values().Get(0); first.Number() != 0 {
					p.named(first, "the first value of enum %s is %s, which is %d; begin with 0", e.Name(), first.Name(), first.Number())
				}
			}),
		},
		{
			"ENUM_NO_ALLOW_ALIAS", Evolution,
			"No two values of an enum have one number. JSON has the name of one of them only, and which one is not said anywhere.",
			"enum Kind {\n  option allow_alias = true;\n\n  KIND_UNSPECIFIED = 0;\n  KIND_CAT = 1;\n  KIND_KITTEN = 1;\n}", "enum Kind {\n  KIND_UNSPECIFIED = 0;\n  KIND_CAT = 1;\n}",
			eachEnum(func(p *pass, e protoreflect.EnumDescriptor) {
				if options, _ := e.Options().(*descriptorpb.EnumOptions); options.GetAllowAlias() {
					p.at(e, partAllowAlias, "enum %s lets values share a number; give each its own", e.Name())
				}
			}),
		},
		{
			"FIELD_NOT_REQUIRED", Evolution,
			"No field is required. It can never be removed or left out again: whoever still requires it refuses the whole message.",
			proto2Head + "message Pet {\n  required string name = 1;\n}", proto2Head + "message Pet {\n  optional string name = 1;\n}",
			eachField(func(p *pass, f protoreflect.FieldDescriptor) {
				if f.Cardinality() == protoreflect.Required {
					p.at(f, partLabel, "field %s is required, and can never be removed again; make it optional and check it in the code", f.Name())
				}
			}),
		},
		{
			"FIELD_NO_GROUP", Evolution,
			"No field is a group. Groups are a field and a message in one, have been discouraged since 2008, and not every language has them.",
			proto2Head + "message Pet {\n  optional group Owner = 1 {\n    optional string name = 2;\n  }\n}", proto2Head + "message Pet {\n  message Owner {\n    optional string name = 2;\n  }\n  optional Owner owner = 1;\n}",
			eachField(func(p *pass, f protoreflect.FieldDescriptor) {
				if f.Kind() == protoreflect.GroupKind && f.ParentFile().Syntax() == protoreflect.Proto2 {
					p.named(f, "field %s is a group; write a message and a field of it", f.Name())
				}
			}),
		},
	}
}

// reservedRules are about numbers and names that are not to be used.
func reservedRules() []Rule {
	return []Rule{
		{
			"RESERVED_NAME_WITH_NUMBER", Evolution,
			"A message or enum that reserves numbers reserves names too. The number of what was removed is kept from being used again for the binary form; its name has to be for JSON and for code.",
			"message Pet {\n  reserved 2;\n  string name = 1;\n}", "message Pet {\n  reserved 2;\n  reserved \"weight\";\n  string name = 1;\n}",
			func(p *pass) {
				eachMessage(func(p *pass, m protoreflect.MessageDescriptor) {
					if m.ReservedRanges().Len() > 0 && m.ReservedNames().Len() == 0 {
						p.at(m, []int32{9, 0}, "message %s reserves numbers and no names; reserve the names that the removed fields had", m.Name())
					}
				})(p)
				eachEnum(func(p *pass, e protoreflect.EnumDescriptor) {
					if e.ReservedRanges().Len() > 0 && e.ReservedNames().Len() == 0 {
						p.at(e, []int32{4, 0}, "enum %s reserves numbers and no names; reserve the names that the removed values had", e.Name())
					}
				})(p)
			},
		},
		{
			"RESERVED_NOT_TO_MAX", Evolution,
			"A message does not reserve all numbers from one on. There would be none left for the next field but those in between.",
			"message Pet {\n  reserved 2 to max;\n  reserved \"weight\";\n  string name = 1;\n}", "message Pet {\n  reserved 2 to 9;\n  reserved \"weight\";\n  string name = 1;\n}",
			eachMessage(func(p *pass, m protoreflect.MessageDescriptor) {
				for i := range m.ReservedRanges().Len() {
					if r := m.ReservedRanges().Get(i); r[1] > maxFieldNumber {
						p.at(m, []int32{9, int32(i)}, "message %s reserves all numbers from %d on; reserve those that were used", m.Name(), r[0])
					}
				}
			}),
		},
		{
			"FIELD_NUMBER_NOT_INTERNAL", Evolution,
			"No field and no range of extensions has numbers from 19000 to 19999. They are protobuf's own; compilers refuse fields with them, and descriptors that were made otherwise are refused by some languages only.",
			proto2Head + "message Pet {\n  extensions 19000 to 19100;\n}", proto2Head + "message Pet {\n  extensions 18000 to 18999;\n}",
			func(p *pass) {
				eachField(func(p *pass, f protoreflect.FieldDescriptor) {
					if isInternal(f.Number()) {
						p.at(f, partFieldNumber, "field %s has the number %d; those from 19000 to 19999 are protobuf's own", f.Name(), f.Number())
					}
				})(p)
				eachMessage(func(p *pass, m protoreflect.MessageDescriptor) {
					for i := range m.ExtensionRanges().Len() {
						if r := m.ExtensionRanges().Get(i); isInternal(r[0]) || isInternal(r[1]-1) {
							p.at(m, []int32{5, int32(i)}, "message %s is open to extensions with numbers from 19000 to 19999, which are protobuf's own", m.Name())
						}
					}
				})(p)
			},
		},
		{
			"FIELD_NUMBER_NO_GAP", Strict,
			"The numbers of a message's fields have no gap that is not reserved. A number that is missing most often belonged to a field that was removed, and old data still has it.",
			"message Pet {\n  string name = 1;\n  int32 age = 3;\n}", "message Pet {\n  reserved 2;\n  reserved \"weight\";\n  string name = 1;\n  int32 age = 3;\n}",
			eachMessage(numberGaps),
		},
	}
}

const maxFieldNumber = 1<<29 - 1

func isInternal(n protoreflect.FieldNumber) bool { return n >= 19000 && n <= 19999 }

func numberGaps(p *pass, m protoreflect.MessageDescriptor) {
	var numbers []protoreflect.FieldNumber
	for i := range m.Fields().Len() {
		numbers = append(numbers, m.Fields().Get(i).Number())
	}
	slices.Sort(numbers)
	next := protoreflect.FieldNumber(1)
	var gaps []string
	for _, n := range numbers {
		if gap := firstFree(m, next, n); gap != 0 {
			gaps = append(gaps, fmt.Sprint(gap))
		}
		next = n + 1
	}
	if len(gaps) > 0 {
		p.named(m, "message %s has no field with the number %s, and does not reserve it; reserve it, and the name that was its", m.Name(), strings.Join(gaps, ", "))
	}
}

// firstFree returns the first number from one up to, and without, another that is neither reserved nor for
// extensions; 0 when there is none.
func firstFree(m protoreflect.MessageDescriptor, from, to protoreflect.FieldNumber) protoreflect.FieldNumber {
	for n := from; n < to; {
		skip := rangeEnd(m.ReservedRanges(), n)
		if skip == 0 {
			skip = rangeEnd(m.ExtensionRanges(), n)
		}
		if skip == 0 {
			return n
		}
		n = skip
	}
	return 0
}

// rangeEnd returns the number after the range that has n, or 0.
func rangeEnd(ranges protoreflect.FieldRanges, n protoreflect.FieldNumber) protoreflect.FieldNumber {
	for i := range ranges.Len() {
		if r := ranges.Get(i); r[0] <= n && n < r[1] {
			return r[1]
		}
	}
	return 0
}
