package rpccall

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// maxCompleted bounds the JSON, in bytes, that is completed.
const maxCompleted = 64 << 10

// CompleteRequest returns texts that go on with what was typed of a request of the method, each with that at its
// beginning: the template when nothing was, else the names of the fields that can come next, or the values of an enum or a
// bool. It returns nothing where anything may come. Errors are those of [Client.Method].
func (c *Client) CompleteRequest(ctx context.Context, method, begun string) ([]string, error) {
	m, err := c.Method(ctx, method)
	if err != nil {
		return nil, err
	}
	return completeJSON(m.descriptor.Input(), begun), nil
}

func completeJSON(md protoreflect.MessageDescriptor, begun string) []string {
	if strings.TrimSpace(begun) == "" {
		return []string{string(printableJSON(template(md)))}
	}
	if len(begun) > maxCompleted || wellKnown[md.FullName()] != "" {
		return nil
	}
	r := &requestReader{text: begun, value: expected{message: md}}
	if !r.read() {
		return nil
	}
	var texts []string
	for _, name := range r.candidates() {
		quoted, _ := json.Marshal(name.text) //nolint:errchkjson // a string always encodes
		text := name.text
		if name.quoted {
			text = string(quoted) + name.behind
		}
		if r.open >= 0 { // a quote is open
			if !name.quoted || !strings.HasPrefix(text, begun[r.open:]) {
				continue
			}
			texts = append(texts, begun[:r.open]+text)
			continue
		}
		texts = append(texts, begun+text)
	}
	return texts
}

// expected is what a value in the text is: a message, a field of one, or nothing known.
type expected struct {
	message protoreflect.MessageDescriptor
	field   protoreflect.FieldDescriptor // of a list or a map whole, unless element
	element bool                         // one element of the field
}

// level is an object or a list that has not ended.
type level struct {
	expected
	object bool
	used   []string // keys
	key    string   // that the value is for
	colon  bool     // the key's value comes
	filled bool     // the value has begun, so that only a comma or an end can come
}

// requestReader follows a text that breaks off, as far as is needed to know what can come next.
type requestReader struct {
	text   string
	value  expected // the outermost
	levels []level
	open   int // where an open quote is, or -1
}

// read reports whether something can be told.
func (r *requestReader) read() bool {
	r.open = -1
	for i := 0; i < len(r.text); i++ {
		switch c := r.text[i]; {
		case isSpace(c):
		case c == '"':
			end := stringEnd(r.text, i)
			if end < 0 {
				r.open = i
				return len(r.levels) > 0
			}
			r.string(r.text[i : end+1])
			i = end
		case c == '{' || c == '[':
			if len(r.levels) > maxDepth {
				return false
			}
			r.levels = append(r.levels, level{expected: r.next(), object: c == '{'})
		case len(r.levels) == 0:
			return false
		case c == '}' || c == ']':
			r.levels = r.levels[:len(r.levels)-1]
			r.fill()
		case c == ':':
			r.top().colon = true
		case c == ',':
			top := r.top()
			top.key, top.colon, top.filled = "", false, false
		default:
			r.fill()
		}
	}
	return len(r.levels) > 0
}

// stringEnd returns where the string that begins at i ends, -1 when it does not.
func stringEnd(text string, i int) int {
	for i++; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}

func (r *requestReader) top() *level { return &r.levels[len(r.levels)-1] }

// fill says that the value of the innermost level has begun.
func (r *requestReader) fill() {
	if len(r.levels) > 0 {
		r.top().filled = true
	}
}

func (r *requestReader) string(quoted string) {
	if len(r.levels) == 0 {
		return
	}
	top := r.top()
	if !top.object || top.colon {
		top.filled = true
		return
	}
	_ = json.Unmarshal([]byte(quoted), &top.key) // a key that is wrong is that of no field
	top.used = append(top.used, top.key)
}

// next returns what the value that comes next is.
func (r *requestReader) next() expected {
	if len(r.levels) == 0 {
		return r.value
	}
	top := r.top()
	switch {
	case !top.object && top.field != nil && top.field.IsList() && !top.element:
		return elementOf(top.field, top.field.Message())
	case !top.object:
		return expected{}
	case top.field != nil && top.field.IsMap() && !top.element:
		return elementOf(top.field.MapValue(), top.field.MapValue().Message())
	case top.message == nil:
		return expected{}
	}
	field := fieldNamed(top.message, top.key)
	switch {
	case field == nil:
		return expected{}
	case field.IsList(), field.IsMap():
		return expected{field: field}
	}
	return elementOf(field, field.Message())
}

// elementOf is a single value of a field. A message that JSON writes in a way of its own is nothing known.
func elementOf(field protoreflect.FieldDescriptor, md protoreflect.MessageDescriptor) expected {
	if md != nil && wellKnown[md.FullName()] != "" {
		return expected{}
	}
	return expected{message: md, field: field, element: true}
}

// candidate is a text that can come next.
type candidate struct {
	text   string
	quoted bool
	behind string // the quote
}

func (r *requestReader) candidates() []candidate {
	top := r.top()
	if top.object && !top.colon {
		if top.key != "" || top.message == nil {
			return nil
		}
		return keys(top)
	}
	next := r.next()
	if top.filled || next.field == nil || !next.element {
		return nil
	}
	switch next.field.Kind() {
	case protoreflect.EnumKind:
		var values []candidate
		for i := range next.field.Enum().Values().Len() {
			values = append(values, candidate{text: string(next.field.Enum().Values().Get(i).Name()), quoted: true})
		}
		return values
	case protoreflect.BoolKind:
		return []candidate{{text: "true"}, {text: "false"}}
	default:
		return nil
	}
}

// keys are the names of fields that the object does not have yet.
func keys(l *level) []candidate {
	var names []candidate
	for i := range l.message.Fields().Len() {
		f := l.message.Fields().Get(i)
		if !slices.Contains(l.used, f.JSONName()) && !slices.Contains(l.used, f.TextName()) {
			names = append(names, candidate{f.JSONName(), true, ":"})
		}
	}
	return names
}
