// Package rowjson writes rows of the catalog as JSON that gives back every string byte by byte, also one that is not
// valid UTF-8: encoding/json alone replaces such bytes, and a key of the KV store would come back as another key.
//
// A byte that JSON cannot hold is written as the character U+10FF00 plus its value, from the end of the last private
// plane; a string that has one of those characters has their bytes written the same way. The package knows no table.
package rowjson

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"unicode/utf8"
)

const (
	firstStandIn = 0x10FF00
	lastStandIn  = 0x10FFFF
	standInStart = "\xf4\x8f" // with which their UTF-8 begins

	replaced = `\ufffd` // what encoding/json writes for a byte that is not UTF-8, and for nothing else
)

// Marshal returns the row, a pointer to a struct, as JSON. The row is not changed.
func Marshal(row any) ([]byte, error) {
	b, err := json.Marshal(row)
	if err == nil && (bytes.Contains(b, []byte(replaced)) || bytes.Contains(b, []byte(standInStart))) {
		return json.Marshal(mapped(reflect.ValueOf(row), escape).Interface())
	}
	return b, err
}

// Unmarshal reads what Marshal has written into row, a pointer to a struct.
func Unmarshal(data []byte, row any) error {
	if err := json.Unmarshal(data, row); err != nil {
		return err
	}
	if bytes.Contains(data, []byte(standInStart)) {
		own := reflect.ValueOf(row)
		own.Elem().Set(mapped(own, unescape).Elem())
	}
	return nil
}

func escape(s string) string {
	if utf8.ValidString(s) && !strings.Contains(s, standInStart) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && size == 1 || r >= firstStandIn {
			for _, c := range []byte(s[:size]) {
				b.WriteRune(firstStandIn + rune(c))
			}
		} else {
			b.WriteString(s[:size])
		}
		s = s[size:]
	}
	return b.String()
}

func unescape(s string) string {
	if !strings.Contains(s, standInStart) {
		return s
	}
	b := make([]byte, 0, len(s))
	for _, r := range s {
		if r >= firstStandIn && r <= lastStandIn {
			b = append(b, byte(r-firstStandIn))
		} else {
			b = utf8.AppendRune(b, r)
		}
	}
	return string(b)
}

// mapped returns a copy of v in which every string went through change.
func mapped(v reflect.Value, change func(string) string) reflect.Value {
	switch v.Kind() {
	case reflect.String:
		own := reflect.New(v.Type()).Elem()
		own.SetString(change(v.String()))
		return own
	case reflect.Pointer:
		if v.IsNil() {
			return v
		}
		own := reflect.New(v.Type().Elem())
		own.Elem().Set(mapped(v.Elem(), change))
		return own
	case reflect.Struct:
		own := reflect.New(v.Type()).Elem()
		own.Set(v)
		for _, field := range own.Fields() {
			if field.CanSet() {
				field.Set(mapped(field, change))
			}
		}
		return own
	case reflect.Slice:
		return mappedSlice(v, change)
	case reflect.Map:
		if v.IsNil() {
			return v
		}
		own := reflect.MakeMapWithSize(v.Type(), v.Len())
		for key, value := range v.Seq2() {
			own.SetMapIndex(mapped(key, change), mapped(value, change))
		}
		return own
	default:
		return v
	}
}

func mappedSlice(v reflect.Value, change func(string) string) reflect.Value {
	if v.IsNil() || v.Type().Elem().Kind() == reflect.Uint8 { // bytes are base64 in JSON
		return v
	}
	own := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
	for i := range v.Len() {
		own.Index(i).Set(mapped(v.Index(i), change))
	}
	return own
}
