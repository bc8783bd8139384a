package document

import (
	"bytes"
	"encoding/json"

	"github.com/goccy/go-yaml"
)

// member is one entry of an object.
type member struct {
	key   string
	value any
}

// object is a JSON object whose members keep their order.
type object []member

// set adds a member at the end.
func (o *object) set(key string, value any) { *o = append(*o, member{key, value}) }

// setText adds a text unless it is empty.
func (o *object) setText(key, value string) {
	if value != "" {
		o.set(key, value)
	}
}

// MarshalJSON implements [json.Marshaler].
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		for j, part := range []any{m.key, m.value} {
			if j > 0 {
				b.WriteByte(':')
			}
			encoder := json.NewEncoder(&b)
			encoder.SetEscapeHTML(false)
			if err := encoder.Encode(part); err != nil {
				return nil, err
			}
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// toJSON returns indented JSON with a line break at the end.
func toJSON(o object) ([]byte, error) {
	raw, err := o.MarshalJSON()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", "  "); err != nil {
		return nil, err
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

// toYAML returns the same as YAML. Empty lines within texts have no indent.
func toYAML(o object) ([]byte, error) {
	raw, err := yaml.MarshalWithOptions(forYAML(o), yaml.Indent(2), yaml.IndentSequence(true), yaml.UseLiteralStyleIfMultiline(true))
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	for line := range bytes.Lines(raw) {
		if len(bytes.TrimSpace(line)) == 0 {
			line = []byte("\n")
		}
		b.Write(line)
	}
	return b.Bytes(), nil
}

func forYAML(v any) any {
	switch v := v.(type) {
	case object:
		m := make(yaml.MapSlice, len(v))
		for i, entry := range v {
			m[i] = yaml.MapItem{Key: entry.key, Value: forYAML(entry.value)}
		}
		return m
	case []any:
		list := make([]any, len(v))
		for i, entry := range v {
			list[i] = forYAML(entry)
		}
		return list
	}
	return v
}

// texts makes a list of strings one of any values.
func texts(list ...string) []any {
	result := make([]any, len(list))
	for i, s := range list {
		result[i] = s
	}
	return result
}
