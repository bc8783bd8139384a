package archive

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/agent/store/rowjson"
)

// state.bin is, in MessagePack, a map with the index, then for each row a byte for the message that Consul restores it as and
// a map: of its table, its key (of the KV store only) and itself in JSON, which is what is read here, and of the fields that
// Consul has, which skips ours. In format 1 there were none of Consul's. Only what is written here is read: strings have 32
// bits of length.
const (
	mapOfOne   = 0x81
	mapOfThree = 0x83
	shortText  = 0xa0 // plus the length
	longText   = 0xdb
	number     = 0xcf

	indexField = "LastIndex" // as in Consul's

	ownFields  = 3  // of a row: its table, its key and itself
	mostFields = 64 // of a row besides
)

func writeState(w io.Writer, view catalog.View) error {
	b := field([]byte{mapOfOne}, indexField)
	b = binary.BigEndian.AppendUint64(append(b, number), view.Index())
	if _, err := w.Write(b); err != nil {
		return err
	}
	for _, table := range catalog.Tables() {
		for row := range view.Rows(table) {
			data, err := rowjson.Marshal(row)
			if err != nil {
				return fmt.Errorf("encode a row of table %q: %w", table, err)
			}
			r := recordOf(view, row)
			b = length(append(b[:0], r.message), longMap, ownFields+len(r.fields))
			b = text(field(b, "Table"), table)
			b = text(field(b, "Key"), key(row))
			b = text(field(b, "Row"), string(data))
			for _, f := range r.fields {
				b = encode(text(b, f.name), reflect.ValueOf(f.value))
			}
			if _, err := w.Write(b); err != nil {
				return err
			}
		}
	}
	return nil
}

// key returns the field Key of a row that has one.
func key(row any) string {
	if f := reflect.Indirect(reflect.ValueOf(row)).FieldByName("Key"); f.IsValid() && f.Kind() == reflect.String {
		return f.String()
	}
	return ""
}

func field(b []byte, name string) []byte {
	return append(append(b, shortText+byte(len(name))), name...) //nolint:gosec // names of this file
}

func text(b []byte, s string) []byte {
	b = binary.BigEndian.AppendUint32(append(b, longText), uint32(len(s))) //nolint:gosec // a row has less than 4 GiB
	return append(b, s...)
}

// readState reads state.bin of a format.
func readState(data []byte, format int) (*State, error) {
	p := &parser{rest: data}
	p.expect(string(field([]byte{mapOfOne}, indexField)) + string([]byte{number}))
	state := &State{Index: p.number(), Rows: map[string][]any{}}
	if state.Index > math.MaxInt64 {
		return nil, fmt.Errorf("state.bin: index %d is out of range", state.Index)
	}
	for p.err == nil && len(p.rest) > 0 {
		p.take(1) // the message follows from the table
		theirs := p.fields(format)
		table := p.text("Table")
		p.text("Key")
		data := p.text("Row")
		for range theirs {
			p.skip(0)
			p.skip(0)
		}
		if p.err != nil {
			break
		}
		row := catalog.NewRow(string(table))
		if row == nil {
			return nil, fmt.Errorf("state.bin: a row of table %q, which this panda does not know: a newer one wrote it", table)
		}
		if err := rowjson.Unmarshal(data, row); err != nil {
			return nil, fmt.Errorf("state.bin: a row of table %q: %w", table, err)
		}
		state.Rows[string(table)] = append(state.Rows[string(table)], row)
	}
	if p.err != nil {
		return nil, fmt.Errorf("state.bin: %w", p.err)
	}
	return state, nil
}

var errForm = errors.New("not in the form that panda writes")

// parser takes bytes from the front of rest. After an error it returns zero values.
type parser struct {
	rest []byte
	err  error
}

func (p *parser) take(n int) []byte {
	if p.err == nil && (n < 0 || n > len(p.rest)) { // below 0 where an int has 32 bits
		p.err = io.ErrUnexpectedEOF
	}
	if p.err != nil {
		return nil
	}
	taken := p.rest[:n]
	p.rest = p.rest[n:]
	return taken
}

func (p *parser) expect(want string) {
	if got := p.take(len(want)); p.err == nil && string(got) != want {
		p.err = errForm
	}
}

// fields returns how many fields a row has besides ours.
func (p *parser) fields(format int) int {
	if format == 1 {
		p.expect(string([]byte{mapOfThree}))
		return 0
	}
	p.expect(string([]byte{longMap}))
	n := p.length() - ownFields
	if p.err == nil && (n < 0 || n > mostFields) {
		p.err = errForm
	}
	return n
}

// length takes the 32 bits that follow the first byte of a long text, list or map.
func (p *parser) length() int {
	if b := p.take(4); p.err == nil {
		return int(binary.BigEndian.Uint32(b))
	}
	return 0
}

// skip takes a value of any form that is written, at a depth of others around it.
func (p *parser) skip(depth int) {
	head := p.take(1)
	switch {
	case p.err != nil:
	case depth > deepest:
		p.err = errForm
	case head[0] == none, head[0] == no, head[0] == yes:
	case head[0] == number, head[0] == integer, head[0] == floating:
		p.take(8)
	case head[0] == longText:
		p.take(p.length())
	case head[0] == longList, head[0] == longMap:
		n := p.length()
		if head[0] == longMap {
			n *= 2
		}
		for ; n > 0 && p.err == nil; n-- {
			p.skip(depth + 1)
		}
	default:
		p.err = errForm
	}
}

func (p *parser) number() uint64 {
	if b := p.take(8); p.err == nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (p *parser) text(name string) []byte {
	p.expect(string(field(nil, name)) + string([]byte{longText}))
	b := p.take(4)
	if p.err != nil {
		return nil
	}
	return p.take(int(binary.BigEndian.Uint32(b)))
}
