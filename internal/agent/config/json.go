package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// jsonReader builds the tree from tokens, so that it knows the line of each.
type jsonReader struct {
	data    []byte
	decoder *json.Decoder
	line    int   // of the last token
	counted int64 // up to here lines are counted
}

func readJSON(data []byte) (value, *FileError) {
	r := &jsonReader{data: data, decoder: json.NewDecoder(bytes.NewReader(data)), line: 1}
	r.decoder.UseNumber()
	root, err := r.next(0)
	if err == nil && root.kind != object {
		err = fmt.Errorf("the file holds %s, not an object", root.kind)
	}
	if err == nil {
		if _, end := r.decoder.Token(); !errors.Is(end, io.EOF) {
			err = errors.New("something follows the object")
		}
	}
	if err != nil {
		r.countTo(r.decoder.InputOffset())
		return value{}, &FileError{Line: r.lineOf(err), Text: plain(err)}
	}
	return root, nil
}

func plain(err error) string {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return "the file ends inside of its object"
	}
	return err.Error()
}

func (r *jsonReader) lineOf(err error) int {
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		at := min(max(syntax.Offset, 0), int64(len(r.data)))
		return 1 + bytes.Count(r.data[:at], []byte("\n"))
	}
	return r.line
}

func (r *jsonReader) countTo(offset int64) {
	if offset > r.counted {
		r.line += bytes.Count(r.data[r.counted:offset], []byte("\n"))
		r.counted = offset
	}
}

func (r *jsonReader) token() (json.Token, error) {
	token, err := r.decoder.Token()
	if err == nil {
		r.countTo(r.decoder.InputOffset())
	}
	return token, err
}

func (r *jsonReader) next(depth int) (value, error) {
	if depth > maxDepth {
		return value{}, fmt.Errorf("more than %d objects and lists inside each other", maxDepth)
	}
	token, err := r.token()
	if err != nil {
		return value{}, err
	}
	v := value{line: r.line}
	switch t := token.(type) {
	case bool:
		v.kind, v.yes = boolean, t
	case json.Number:
		v.kind, v.text = number, t.String()
	case string:
		v.kind, v.text = text, t
	case json.Delim:
		return r.inside(v, t, depth)
	default:
		v.kind = null
	}
	return v, nil
}

// inside reads what follows an opening bracket, and its closing one.
func (r *jsonReader) inside(v value, open json.Delim, depth int) (value, error) {
	v.kind = list
	if open == '{' {
		v.kind = object
	}
	for r.decoder.More() {
		var f field
		if v.kind == object {
			name, err := r.token()
			if err != nil {
				return value{}, err
			}
			f.name, _ = name.(string)
			f.line = r.line
		}
		item, err := r.next(depth + 1)
		if err != nil {
			return value{}, err
		}
		if v.kind == list {
			v.items = append(v.items, item)
			continue
		}
		f.value = item
		v.fields = append(v.fields, f)
	}
	_, err := r.token()
	v.fields = lastOfEach(v.fields)
	return v, err
}

// lastOfEach drops the fields that a later one of the same name replaces.
func lastOfEach(fields []field) []field {
	last := make(map[string]int, len(fields))
	for i, f := range fields {
		last[f.name] = i
	}
	if len(last) == len(fields) {
		return fields
	}
	kept := make([]field, 0, len(last))
	for i, f := range fields {
		if last[f.name] == i {
			kept = append(kept, f)
		}
	}
	return kept
}
