package rpccall

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/pandakit/panda/internal/nearname"
)

// maxDepth bounds how deeply a message may be nested.
const maxDepth = 1000

// decode turns a JSON value into a message of type md. The error is an *InputError.
func (s *schema) decode(ctx context.Context, v value, md protoreflect.MessageDescriptor) (proto.Message, error) {
	message := dynamicpb.NewMessage(md)
	options := protojson.UnmarshalOptions{Resolver: resolver{ctx: ctx, schema: s}, RecursionLimit: maxDepth}
	if err := options.Unmarshal(v.raw, message); err != nil {
		return nil, inputError(v, md, err)
	}
	return message, nil
}

// encode turns a message into JSON on one line, always the same for the same message. Fields with
// their zero value are written too (but not absent messages and optional fields), so that an empty
// answer shows what it could have held.
func (s *schema) encode(ctx context.Context, message protoreflect.Message) ([]byte, error) {
	options := protojson.MarshalOptions{
		Resolver:          resolver{ctx: ctx, schema: s, lenient: true},
		EmitDefaultValues: true,
		AllowPartial:      true,
	}
	spaced, err := options.Marshal(s.withExtensions(ctx, message).Interface())
	if err != nil {
		return nil, fmt.Errorf("show %s as JSON: %s", message.Descriptor().FullName(), plainReason(err))
	}
	// protojson adds spaces at random on purpose.
	var line bytes.Buffer
	if err := json.Compact(&line, spaced); err != nil {
		return nil, fmt.Errorf("show %s as JSON: %w", message.Descriptor().FullName(), err)
	}
	return printableJSON(line.Bytes()), nil
}

// withExtensions reads a message anew: gRPC, which read it first, knows no extensions but those that
// this program is linked with. What cannot be read again stays as it is.
func (s *schema) withExtensions(ctx context.Context, message protoreflect.Message) protoreflect.Message {
	raw, err := proto.MarshalOptions{AllowPartial: true}.Marshal(message.Interface())
	if err != nil {
		return message
	}
	again := message.New()
	options := proto.UnmarshalOptions{AllowPartial: true, Resolver: resolver{ctx: ctx, schema: s}}
	if err := options.Unmarshal(raw, again.Interface()); err != nil {
		return message
	}
	return again
}

var (
	// placed is a protojson error with its place: "(line 1:10): unknown field …".
	placed       = regexp.MustCompile(`(?s)^(?:syntax error )?\(line (\d+):(\d+)\): (.*)$`)
	unknownField = regexp.MustCompile(`^unknown field ("(?:[^"\\]|\\.)*")$`)
	wrongEnum    = regexp.MustCompile(`^invalid value for enum field (\S+): ("(?:[^"\\]|\\.)*")$`)
)

// plainReason removes what protojson puts before a reason; the space in it varies on purpose.
func plainReason(err error) string {
	return strings.TrimLeft(strings.TrimPrefix(err.Error(), "proto:"), " \u00a0")
}

func inputError(v value, md protoreflect.MessageDescriptor, err error) *InputError {
	at, reason := v.at, plainReason(err)
	if m := placed.FindStringSubmatch(reason); m != nil {
		at, reason = v.at.plus(number(m[1]), number(m[2])), m[3]
	}
	if m := unknownField.FindStringSubmatch(reason); m != nil {
		if name, err := strconv.Unquote(m[1]); err == nil {
			reason = unknownFieldReason(v.raw, md, name)
		}
	}
	if m := wrongEnum.FindStringSubmatch(reason); m != nil {
		if text, err := strconv.Unquote(m[2]); err == nil {
			reason += enumHint(v.raw, md, m[1], text)
		}
	}
	return at.errorf("%s", Printable(reason))
}

// number reads digits that a regular expression has found; one too large for an int has no place.
func number(digits string) int {
	n, err := strconv.Atoi(digits)
	if err != nil {
		return 1
	}
	return n
}

// plus returns the position of line:column within a text that begins at p.
func (p position) plus(line, column int) position {
	if line <= 1 {
		return position{p.line, p.column + column - 1}
	}
	return position{p.line + line - 1, column}
}

// unknownFieldReason names the message that has no such field and what it may have meant.
func unknownFieldReason(raw []byte, md protoreflect.MessageDescriptor, name string) string {
	var parsed any
	if err := json.Unmarshal(raw, &parsed); err == nil {
		if owner := ownerOfUnknown(parsed, md, name, 0); owner != nil {
			md = owner
		}
	}
	var known []string
	for i := range md.Fields().Len() {
		known = append(known, md.Fields().Get(i).JSONName())
	}
	reason := fmt.Sprintf("%s has no field %q", md.FullName(), name)
	if len(known) == 0 {
		return reason + "; it has no fields"
	}
	return reason + hint(name, "fields", known)
}

// ownerOfUnknown returns the message in which the key name is not a field, or nil.
func ownerOfUnknown(parsed any, md protoreflect.MessageDescriptor, name string, depth int) protoreflect.MessageDescriptor {
	object, ok := parsed.(map[string]any)
	if !ok || depth > maxDepth || isWellKnown(md) {
		return nil
	}
	for _, key := range slices.Sorted(maps.Keys(object)) {
		field := fieldNamed(md, key)
		if field == nil {
			if key == name {
				return md
			}
			continue
		}
		for _, inner := range innerValues(object[key], field) {
			if owner := ownerOfUnknown(inner, messageOf(field), name, depth+1); owner != nil {
				return owner
			}
		}
	}
	return nil
}

// enumHint tells which values the enum field has whose value was given as text, the near ones if there are any.
func enumHint(raw []byte, md protoreflect.MessageDescriptor, field, text string) string {
	var parsed any
	if err := json.Unmarshal(raw, &parsed); err != nil {
		return ""
	}
	enum := enumOfWrong(parsed, md, field, text, 0)
	if enum == nil {
		return ""
	}
	var known []string
	for i := range enum.Values().Len() {
		known = append(known, string(enum.Values().Get(i).Name()))
	}
	return hint(text, "values", known)
}

// hint lists the known names that look like name, or all of them where they are few.
func hint(name, what string, known []string) string {
	if near := nearname.Of(name, known); len(near) > 0 {
		return "; near: " + strings.Join(near, ", ")
	}
	if len(known) > 0 && len(known) <= namesShown {
		return "; " + what + ": " + strings.Join(known, ", ")
	}
	return ""
}

// enumOfWrong returns the enum of the field with that JSON name whose value, or one of them, is the text, or nil.
func enumOfWrong(parsed any, md protoreflect.MessageDescriptor, name, text string, depth int) protoreflect.EnumDescriptor {
	object, ok := parsed.(map[string]any)
	if !ok || depth > maxDepth || isWellKnown(md) {
		return nil
	}
	for _, key := range slices.Sorted(maps.Keys(object)) {
		field := fieldNamed(md, key)
		if field == nil {
			continue
		}
		if enum := enumOf(field); enum != nil && (field.JSONName() == name || field.IsMap()) && holds(object[key], text) {
			return enum
		}
		for _, inner := range innerValues(object[key], field) {
			if enum := enumOfWrong(inner, messageOf(field), name, text, depth+1); enum != nil {
				return enum
			}
		}
	}
	return nil
}

// enumOf returns the type of the enum values that a field holds, nil when it holds none.
func enumOf(field protoreflect.FieldDescriptor) protoreflect.EnumDescriptor {
	if field.IsMap() {
		return field.MapValue().Enum()
	}
	return field.Enum()
}

// holds reports whether a JSON value is the text, or a list or an object that has it.
func holds(parsed any, text string) bool {
	switch v := parsed.(type) {
	case string:
		return v == text
	case []any:
		return slices.Contains(v, any(text))
	case map[string]any:
		return slices.Contains(slices.Collect(maps.Values(v)), any(text))
	}
	return false
}

// fieldNamed finds a field as protojson does, by either of its names.
func fieldNamed(md protoreflect.MessageDescriptor, key string) protoreflect.FieldDescriptor {
	if field := md.Fields().ByJSONName(key); field != nil {
		return field
	}
	return md.Fields().ByTextName(key)
}

// messageOf returns the type of the messages that a field holds, nil when it holds none.
func messageOf(field protoreflect.FieldDescriptor) protoreflect.MessageDescriptor {
	if field.IsMap() {
		return field.MapValue().Message()
	}
	return field.Message()
}

// innerValues returns the JSON values of the messages that a field holds.
func innerValues(parsed any, field protoreflect.FieldDescriptor) []any {
	switch v := parsed.(type) {
	case map[string]any:
		if messageOf(field) == nil {
			return nil
		}
		if field.IsMap() {
			return slices.Collect(maps.Values(v))
		}
		return []any{v}
	case []any:
		if messageOf(field) != nil && field.IsList() {
			return v
		}
	}
	return nil
}

// asInputError reports whether err is about the JSON that was given.
func asInputError(err error) bool {
	_, ok := errors.AsType[*InputError](err)
	return ok
}
