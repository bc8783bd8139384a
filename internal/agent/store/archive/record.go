package archive

import (
	"encoding/binary"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/consulwire"
)

// What Consul's servers restore records as, by the byte before each.
const (
	messageRegister = 0
	messageKey      = 2
	messageSession  = 3
)

// record is a row as Consul's servers keep it: a message, and the object that it holds.
type record struct {
	message byte
	fields  []recordField
}

type recordField struct {
	name  string
	value any // text, bytes, an integer, a boolean, or a list, a map by text, a struct or a pointer of such
}

// recordOf returns what Consul restores for a row of the view. Instances and checks come with the node that they are on.
func recordOf(view catalog.View, row any) record {
	switch r := row.(type) {
	case *consulwire.Node:
		return registration(r)
	case *catalog.Instance:
		return registration(view.Node(r.Node), recordField{"Service", &r.NodeService})
	case *catalog.Check:
		return registration(view.Node(r.Node), recordField{"Check", &r.HealthCheck})
	case *catalog.Pair:
		fields := []recordField{{"LockIndex", r.LockIndex}, {"Flags", r.Flags}, {"Value", r.Value}, {"Session", r.Session}}
		return record{messageKey, append(fields, indexes(r.CreateIndex, r.ModifyIndex)...)}
	case *catalog.Document: // for Consul it says again what a node is: what a document is about takes forms of its own there
		return registration(firstNode(view))
	}
	return record{messageSession, fieldsOf(reflect.ValueOf(row).Elem())}
}

func firstNode(view catalog.View) *consulwire.Node {
	for row := range view.Rows(catalog.Tables()[0]) {
		if node, ok := row.(*consulwire.Node); ok {
			return node
		}
	}
	return nil
}

func registration(n *consulwire.Node, what ...recordField) record {
	if n == nil { // no instance and no check is without a node
		n = new(consulwire.Node)
	}
	fields := []recordField{
		{"Datacenter", n.Datacenter}, {"ID", n.ID}, {"Node", n.Node}, {"Address", n.Address},
		{"TaggedAddresses", n.TaggedAddresses}, {"NodeMeta", n.Meta},
	}
	return record{messageRegister, slices.Concat(fields, indexes(n.CreateIndex, n.ModifyIndex), what)}
}

func indexes(create, modify uint64) []recordField {
	return []recordField{{"CreateIndex", create}, {"ModifyIndex", modify}}
}

// fieldsOf returns the fields of a struct.
func fieldsOf(v reflect.Value) []recordField {
	fields := make([]recordField, v.NumField())
	for n := range fields {
		fields[n] = recordField{v.Type().Field(n).Name, v.Field(n).Interface()}
	}
	return fields
}

// The forms of MessagePack that are written, besides those of state.go.
const (
	none     = 0xc0
	no       = 0xc2
	yes      = 0xc3
	integer  = 0xd3
	floating = 0xcb
	longList = 0xdd
	longMap  = 0xdf

	deepest = 64 // objects and lists inside each other; a proxy's own configuration has 32 at the most
)

func length(b []byte, form byte, n int) []byte {
	return binary.BigEndian.AppendUint32(append(b, form), uint32(n)) //nolint:gosec // a row has less than 4 GiB
}

// encode appends a value.
func encode(b []byte, v reflect.Value) []byte {
	switch v.Kind() { //nolint:exhaustive // what rows are made of
	case reflect.String:
		return text(b, v.String())
	case reflect.Bool:
		if v.Bool() {
			return append(b, yes)
		}
		return append(b, no)
	case reflect.Int, reflect.Int64:
		return binary.BigEndian.AppendUint64(append(b, integer), uint64(v.Int())) //nolint:gosec // the bits are what is written
	case reflect.Uint, reflect.Uint64:
		return binary.BigEndian.AppendUint64(append(b, number), v.Uint())
	case reflect.Float64:
		return binary.BigEndian.AppendUint64(append(b, floating), math.Float64bits(v.Float()))
	case reflect.Pointer, reflect.Interface:
		return encode(b, v.Elem())
	case reflect.Slice:
		return encodeList(b, v)
	case reflect.Map:
		return encodeMap(b, v)
	case reflect.Struct:
		return encodeFields(b, fieldsOf(v))
	}
	return append(b, none)
}

func encodeList(b []byte, v reflect.Value) []byte {
	switch {
	case v.IsNil():
		return append(b, none)
	case v.Type().Elem().Kind() == reflect.Uint8:
		return text(b, string(v.Bytes()))
	}
	b = length(b, longList, v.Len())
	for n := range v.Len() {
		b = encode(b, v.Index(n))
	}
	return b
}

func encodeMap(b []byte, v reflect.Value) []byte {
	if v.IsNil() {
		return append(b, none)
	}
	values := make(map[string]reflect.Value, v.Len())
	for key, value := range v.Seq2() {
		values[key.String()] = value
	}
	b = length(b, longMap, len(values))
	for _, key := range slices.SortedFunc(maps.Keys(values), strings.Compare) {
		b = encode(text(b, key), values[key])
	}
	return b
}

func encodeFields(b []byte, fields []recordField) []byte {
	b = length(b, longMap, len(fields))
	for _, f := range fields {
		b = encode(text(b, f.name), reflect.ValueOf(f.value))
	}
	return b
}
