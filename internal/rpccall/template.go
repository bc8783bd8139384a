package rpccall

import (
	"bytes"
	"encoding/json"
	"slices"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// A template is a help to write a request, not all that a message could hold.
const (
	templateDepth  = 12   // of messages within messages
	templateFields = 1000 // after which lists, maps and messages stay empty or are left out
)

// template returns a message of type md as JSON on one line: each field with its zero value, a list and a map with one
// element, of a oneof the first. It can be sent as it is. A message within itself is left out.
func template(md protoreflect.MessageDescriptor) []byte {
	t := &templater{}
	t.message(md)
	return t.out.Bytes()
}

type templater struct {
	out    bytes.Buffer
	path   []protoreflect.FullName // of messages, from the outermost
	fields int
}

// wellKnown is how JSON writes the messages that it writes in a way of their own.
var wellKnown = map[protoreflect.FullName]string{
	"google.protobuf.Any":         `{}`,
	"google.protobuf.Timestamp":   `"1970-01-01T00:00:00Z"`,
	"google.protobuf.Duration":    `"0s"`,
	"google.protobuf.Struct":      `{}`,
	"google.protobuf.Value":       `null`,
	"google.protobuf.ListValue":   `[]`,
	"google.protobuf.FieldMask":   `""`,
	"google.protobuf.DoubleValue": `0`,
	"google.protobuf.FloatValue":  `0`,
	"google.protobuf.Int64Value":  `"0"`,
	"google.protobuf.UInt64Value": `"0"`,
	"google.protobuf.Int32Value":  `0`,
	"google.protobuf.UInt32Value": `0`,
	"google.protobuf.BoolValue":   `false`,
	"google.protobuf.StringValue": `""`,
	"google.protobuf.BytesValue":  `""`,
}

func (t *templater) message(md protoreflect.MessageDescriptor) {
	if text, ok := wellKnown[md.FullName()]; ok {
		t.out.WriteString(text)
		return
	}
	t.path = append(t.path, md.FullName())
	t.out.WriteByte('{')
	comma := ""
	var chosen protoreflect.OneofDescriptor
	for i := range md.Fields().Len() {
		f := md.Fields().Get(i)
		oneof := f.ContainingOneof()
		if oneof != nil && oneof == chosen {
			continue
		}
		if t.endless(f) && !f.IsList() && !f.IsMap() {
			continue
		}
		if oneof != nil && !oneof.IsSynthetic() {
			chosen = oneof
		}
		t.out.WriteString(comma)
		comma = ","
		t.field(f)
	}
	t.out.WriteByte('}')
	t.path = t.path[:len(t.path)-1]
}

// endless reports whether the messages of a field are not gone into.
func (t *templater) endless(f protoreflect.FieldDescriptor) bool {
	md := messageOf(f)
	if md == nil {
		return t.fields >= templateFields && (f.IsList() || f.IsMap())
	}
	return slices.Contains(t.path, md.FullName()) || len(t.path) >= templateDepth || t.fields >= templateFields
}

func (t *templater) field(f protoreflect.FieldDescriptor) {
	t.fields++
	t.string(f.JSONName())
	t.out.WriteByte(':')
	switch {
	case f.IsMap():
		t.out.WriteByte('{')
		if !t.endless(f) {
			t.string(mapKey(f.MapKey().Kind()))
			t.out.WriteByte(':')
			t.value(f.MapValue())
		}
		t.out.WriteByte('}')
	case f.IsList():
		t.out.WriteByte('[')
		if !t.endless(f) {
			t.value(f)
		}
		t.out.WriteByte(']')
	default:
		t.value(f)
	}
}

func mapKey(kind protoreflect.Kind) string {
	switch kind {
	case protoreflect.StringKind:
		return "key"
	case protoreflect.BoolKind:
		return "false"
	default:
		return "0"
	}
}

func (t *templater) value(f protoreflect.FieldDescriptor) {
	switch f.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		t.message(f.Message())
	case protoreflect.EnumKind:
		t.enum(f.Enum())
	case protoreflect.BoolKind:
		t.out.WriteString("false")
	case protoreflect.StringKind, protoreflect.BytesKind:
		t.out.WriteString(`""`)
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind:
		t.out.WriteString(`"0"`)
	default:
		t.out.WriteByte('0')
	}
}

func (t *templater) enum(d protoreflect.EnumDescriptor) {
	if d.FullName() == "google.protobuf.NullValue" {
		t.out.WriteString("null")
		return
	}
	if d.Values().Len() == 0 { // nobody has told its values
		t.out.WriteByte('0')
		return
	}
	t.string(string(d.Values().Get(0).Name()))
}

func (t *templater) string(s string) {
	text, _ := json.Marshal(s) //nolint:errchkjson // a string always encodes
	t.out.Write(text)
}
