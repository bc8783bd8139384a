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
	return line.Bytes(), nil
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
	return at.errorf("%s", reason)
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
	switch near := nearname.Of(name, known); {
	case len(near) > 0:
		return reason + "; near: " + strings.Join(near, ", ")
	case len(known) == 0:
		return reason + "; it has no fields"
	case len(known) <= methodsShown:
		return reason + "; fields: " + strings.Join(known, ", ")
	}
	return reason
}

// ownerOfUnknown returns the message in which the key name is not a field, or nil.
func ownerOfUnknown(parsed any, md protoreflect.MessageDescriptor, name string, depth int) protoreflect.MessageDescriptor {
	object, ok := parsed.(map[string]any)
	if !ok || depth > maxDepth || md.ParentFile().Package() == "google.protobuf" {
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
