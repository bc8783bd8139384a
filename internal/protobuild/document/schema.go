package document

import (
	"encoding/base64"
	"math"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// schemas makes the JSON Schemas of messages and enums in protobuf's JSON form, each once, under its full name.
type schemas struct {
	notes *annotations
	made  map[string]object
	queue []protoreflect.Descriptor // what is referred to and not made yet
}

func newSchemas(notes *annotations) *schemas {
	return &schemas{notes: notes, made: make(map[string]object)}
}

const reference = "#/components/schemas/"

// refer returns a reference to the schema of a message or enum, which will be made; or the schema itself when
// protobuf's JSON form has one of its own for it.
func (s *schemas) refer(d protoreflect.Descriptor) object {
	if own, ok := wellKnown(d.FullName()); ok {
		return own
	}
	name := string(d.FullName())
	if _, begun := s.made[name]; !begun {
		s.made[name] = nil
		s.queue = append(s.queue, d)
	}
	return object{{"$ref", reference + name}}
}

// finish makes all that is referred to.
func (s *schemas) finish() {
	for len(s.queue) > 0 {
		d := s.queue[0]
		s.queue = s.queue[1:]
		switch d := d.(type) {
		case protoreflect.MessageDescriptor:
			s.made[string(d.FullName())] = s.message(d, nil)
		case protoreflect.EnumDescriptor:
			s.made[string(d.FullName())] = enumSchema(d)
		}
	}
}

func enumSchema(e protoreflect.EnumDescriptor) object {
	schema := object{{"type", "string"}}
	var names []any
	var described []string
	for i := range e.Values().Len() {
		v := e.Values().Get(i)
		names = append(names, string(v.Name()))
		if c := comment(v); c != "" {
			described = append(described, "- `"+string(v.Name())+"`: "+strings.Join(strings.Fields(c), " "))
		}
	}
	description := comment(e)
	if len(described) > 0 {
		description = strings.TrimPrefix(description+"\n\n"+strings.Join(described, "\n"), "\n\n")
	}
	schema.setText("description", description)
	schema.set("enum", names)
	if deprecated(e) {
		schema.set("deprecated", true)
	}
	return schema
}

// message returns the schema of a message without the fields that are left out, by name.
func (s *schemas) message(m protoreflect.MessageDescriptor, leftOut map[protoreflect.Name]bool) object {
	schema := object{{"type", "object"}}
	schema.setText("description", comment(m))
	properties := object{}
	var required []any
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		if leftOut[f.Name()] {
			continue
		}
		b := s.notes.behavior(f)
		properties.set(f.JSONName(), s.described(f, b))
		if b.required {
			required = append(required, f.JSONName())
		}
	}
	if len(properties) > 0 {
		schema.set("properties", properties)
	}
	if len(required) > 0 {
		schema.set("required", required)
	}
	if choices := oneofs(m, leftOut); len(choices) == 1 {
		schema.set("oneOf", choices[0])
	} else if len(choices) > 1 {
		var all []any
		for _, c := range choices {
			all = append(all, object{{"oneOf", c}})
		}
		schema.set("allOf", all)
	}
	if deprecated(m) {
		schema.set("deprecated", true)
	}
	return schema
}

// oneofs returns for each oneof the alternatives that JSON has: one of its fields is there, or none is.
func oneofs(m protoreflect.MessageDescriptor, leftOut map[protoreflect.Name]bool) [][]any {
	var all [][]any
	for i := range m.Oneofs().Len() {
		o := m.Oneofs().Get(i)
		var alternatives, fields []any
		for j := range o.Fields().Len() {
			if f := o.Fields().Get(j); !leftOut[f.Name()] {
				one := object{{"required", texts(f.JSONName())}}
				fields = append(fields, one)
				alternatives = append(alternatives, append(object{{"title", f.JSONName()}}, one...))
			}
		}
		if o.IsSynthetic() || len(fields) < 2 || len(fields) < o.Fields().Len() {
			continue
		}
		none := object{{"title", "no " + string(o.Name())}, {"not", object{{"anyOf", fields}}}}
		all = append(all, append(alternatives, none))
	}
	return all
}

// described returns the schema of a field with what is said of it.
func (s *schemas) described(f protoreflect.FieldDescriptor, b behavior) object {
	schema := s.field(f)
	description := comment(f)
	if b.immutable {
		description = strings.TrimSpace(description + "\n\nIt cannot be changed once it is set.")
	}
	schema.setText("description", description)
	if f.HasDefault() {
		schema.set("default", jsonDefault(f))
	}
	if b.outputOnly {
		schema.set("readOnly", true)
	}
	if b.inputOnly {
		schema.set("writeOnly", true)
	}
	if deprecated(f) {
		schema.set("deprecated", true)
	}
	return schema
}

// jsonDefault is the default of a proto2 field in protobuf's JSON form.
func jsonDefault(f protoreflect.FieldDescriptor) any {
	value := f.Default().Interface()
	switch v := value.(type) {
	case []byte:
		return base64.StdEncoding.EncodeToString(v)
	case protoreflect.EnumNumber:
		if named := f.Enum().Values().ByNumber(v); named != nil {
			return string(named.Name())
		}
	case int64:
		return strconv.FormatInt(v, 10)
	case uint64:
		return strconv.FormatUint(v, 10)
	case float32:
		return jsonFloat(float64(v), value)
	case float64:
		return jsonFloat(v, value)
	}
	return value
}

// jsonFloat returns the value as it is, or the text that stands for one that JSON has no number for.
func jsonFloat(v float64, value any) any {
	switch {
	case math.IsNaN(v):
		return "NaN"
	case math.IsInf(v, 1):
		return "Infinity"
	case math.IsInf(v, -1):
		return "-Infinity"
	}
	return value
}

func (s *schemas) field(f protoreflect.FieldDescriptor) object {
	switch {
	case f.IsMap():
		schema := object{{"type", "object"}}
		if keys := keyNames(f.MapKey().Kind()); keys != nil {
			schema.set("propertyNames", keys)
		}
		schema.set("additionalProperties", s.single(f.MapValue()))
		return schema
	case f.IsList():
		return object{{"type", "array"}, {"items", s.single(f)}}
	}
	return s.single(f)
}

// single is the schema of one value of a field.
func (s *schemas) single(f protoreflect.FieldDescriptor) object {
	switch f.Kind() {
	case protoreflect.EnumKind:
		return s.refer(f.Enum())
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return s.refer(f.Message())
	default:
		return scalar(f.Kind())
	}
}

const (
	signedText   = "^-?[0-9]+$"
	unsignedText = "^[0-9]+$"
)

// keyNames returns what the keys of a map look like, which are texts in JSON whatever they are; nil for any text.
func keyNames(kind protoreflect.Kind) object {
	switch kind {
	case protoreflect.StringKind:
		return nil
	case protoreflect.BoolKind:
		return object{{"enum", texts("true", "false")}}
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return object{{"pattern", unsignedText}}
	default:
		return object{{"pattern", signedText}}
	}
}

// scalar is protobuf's JSON form of a scalar: 64-bit integers and bytes are texts, and floats may be.
func scalar(kind protoreflect.Kind) object {
	switch kind {
	case protoreflect.BoolKind:
		return object{{"type", "boolean"}}
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return object{{"type", "integer"}, {"format", "int32"}}
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return object{{"type", "integer"}, {"format", "uint32"}, {"minimum", 0}, {"maximum", 1<<32 - 1}}
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return object{{"type", "string"}, {"format", "int64"}, {"pattern", signedText}}
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return object{{"type", "string"}, {"format", "uint64"}, {"pattern", unsignedText}}
	case protoreflect.FloatKind:
		return floating("float")
	case protoreflect.DoubleKind:
		return floating("double")
	case protoreflect.BytesKind:
		return object{{"type", "string"}, {"contentEncoding", "base64"}}
	default:
		return object{{"type", "string"}}
	}
}

func floating(format string) object {
	return object{{"oneOf", []any{
		object{{"type", "number"}, {"format", format}},
		object{{"type", "string"}, {"enum", texts("NaN", "Infinity", "-Infinity")}},
	}}}
}

// wellKnown returns the schema of a type for which protobuf's JSON form has one of its own.
func wellKnown(name protoreflect.FullName) (object, bool) {
	switch name {
	case "google.protobuf.Timestamp":
		return object{{"type", "string"}, {"format", "date-time"}}, true
	case "google.protobuf.Duration":
		return object{{"type", "string"}, {"pattern", `^-?[0-9]+(\.[0-9]{1,9})?s$`}}, true
	case "google.protobuf.FieldMask":
		return object{{"type", "string"}}, true
	case "google.protobuf.Empty":
		return object{{"type", "object"}}, true
	case "google.protobuf.Struct":
		return object{{"type", "object"}, {"additionalProperties", true}}, true
	case "google.protobuf.Value":
		return object{}, true
	case "google.protobuf.ListValue":
		return object{{"type", "array"}, {"items", object{}}}, true
	case "google.protobuf.NullValue":
		return object{{"type", "null"}}, true
	case "google.protobuf.Any":
		return object{
			{"type", "object"}, {"properties", object{{"@type", object{{"type", "string"}}}}}, {"required", texts("@type")}, {"additionalProperties", true},
		}, true
	}
	if kind, ok := wrappers[name]; ok {
		return orNull(scalar(kind)), true
	}
	return nil, false
}

// wrappers are messages that in JSON are the value that they wrap, or null.
var wrappers = map[protoreflect.FullName]protoreflect.Kind{
	"google.protobuf.DoubleValue": protoreflect.DoubleKind, "google.protobuf.FloatValue": protoreflect.FloatKind,
	"google.protobuf.Int64Value": protoreflect.Int64Kind, "google.protobuf.UInt64Value": protoreflect.Uint64Kind,
	"google.protobuf.Int32Value": protoreflect.Int32Kind, "google.protobuf.UInt32Value": protoreflect.Uint32Kind,
	"google.protobuf.BoolValue": protoreflect.BoolKind, "google.protobuf.StringValue": protoreflect.StringKind,
	"google.protobuf.BytesValue": protoreflect.BytesKind,
}

func orNull(schema object) object {
	for i, m := range schema {
		switch value := m.value.(type) {
		case string:
			if m.key == "type" {
				schema[i].value = texts(value, "null")
			}
		case []any:
			if m.key == "oneOf" {
				schema[i].value = slices.Concat(value, []any{object{{"type", "null"}}})
			}
		}
	}
	return schema
}
